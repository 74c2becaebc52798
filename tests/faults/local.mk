# Fault tests and races, run by ./check against an installed tree
EXTRA_DIST += tests/long \
	tests/faults/audit.py tests/faults/load.py \
	tests/faults/other_stores.py tests/faults/rig.py \
	tests/faults/test_audit.py tests/faults/test_faults.py tests/faults/test_hosts.py \
	tests/faults/test_races.py tests/faults/test_storm.py \
	tests/faults/test_streams.py
