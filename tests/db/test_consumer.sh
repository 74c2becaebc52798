#!/bin/sh
# The program watchllm-consumer against private servers.
here=$(dirname "$0")
exec "$here/../lib/with_stores.sh" "${PYTHON3:-python3}" -W ignore \
    "$here/../e2e/test_consumer.py"
