#!/bin/sh
# Runs once, when the database is made. The processes log in as a role that owns nothing: it may do what janus_app may.
set -eu
psql -v ON_ERROR_STOP=1 -v password="$(cat "${APPLICATION_PASSWORD_FILE:-/run/secrets/application_password}")" \
    --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'EOSQL'
CREATE ROLE janus_app NOLOGIN;
CREATE ROLE janus_login LOGIN PASSWORD :'password' IN ROLE janus_app;
EOSQL
