"""Entries of `metadata.managedFields`."""

from typing import Any


def owner(manager: str, fields: Any, operation: str = "Apply") -> Any:
    """What a manager owns."""
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "batch/v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
