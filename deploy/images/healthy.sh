#!/bin/sh
# Whether the service of this container serves, by its own gRPC health. The build puts its name and its port in.
exec /app/bin/python -m olo_common.probe "127.0.0.1:${OLO_@NAME@_PORT:-@PORT@}" \
    ${OLO_TLS_CERT_FILE:+${OLO_TLS_CA_FILE:+--ca "$OLO_TLS_CA_FILE"}} \
    ${OLO_TLS_CLIENT_CERT_FILE:+--cert "$OLO_TLS_CLIENT_CERT_FILE"} \
    ${OLO_TLS_CLIENT_KEY_FILE:+--key "$OLO_TLS_CLIENT_KEY_FILE"}
