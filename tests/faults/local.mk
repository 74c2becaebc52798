# Fault tests and races, run by ./check against an installed tree
EXTRA_DIST += tests/faults/audit.py tests/faults/load.py tests/faults/rig.py \
	tests/faults/test_faults.py tests/faults/test_hosts.py \
	tests/faults/test_races.py tests/faults/test_streams.py
