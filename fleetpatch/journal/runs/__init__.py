"""The run files of a state folder: names, lists, campaigns, and the small files beside them."""
