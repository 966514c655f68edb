"""Entries of `metadata.managedFields`."""

from typing import Any


def owner(manager: str, fields: Any, operation: str = "Apply") -> Any:
    """An entry of managedFields: the fields of one manager."""
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "batch/v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
