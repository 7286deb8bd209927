"""Tests of the dashboards: complete, without overlaps, with data in every panel."""
