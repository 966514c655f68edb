"""The report of a run or a campaign: `fleetpatch report`.

`contents` is the one value that all formats are made from: `page` (HTML, with `charts`), `markdown`
and `as_json`. Targets as CSV are streamed from the run files instead (`report.targets`).
"""
