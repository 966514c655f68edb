"""Tables beside a plan file: from the bytes of a csv, json or yaml file to rows by their key.

`section` has the plan's key `tables`, and reads the files by `read`. `csv_rows`, `json_rows` and
`yaml_rows` read one format each into the `Rows` of `table`, which checks columns and keys. What
does not belong here: what an expression does with a row.
"""
