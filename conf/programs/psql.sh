# SPDX-License-Identifier: Apache-2.0
# libpq refuses a key file that others can read: chmod 600. It takes a URI for the name of
# an engine.
psql "host=db.example port=5432 dbname=postgres user=device sslmode=verify-full sslrootcert=/etc/iotsafe/ca.pem sslcert=/etc/iotsafe/client.pem sslkey=/etc/iotsafe/client-key.pem" "$@"
