"""Tests of the embedded API server, and a way for other tests to run one."""
