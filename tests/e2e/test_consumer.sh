#!/bin/sh
# The program watchllm-consumer against private servers; see test_consumer.py.
here=$(dirname "$0")
exec "$here/../lib/with_stores.sh" "${PYTHON3:-python3}" -W ignore \
    "$here/test_consumer.py"
