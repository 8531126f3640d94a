# SPDX-License-Identifier: Apache-2.0
# libpq wants nobody but the user to read the key file: chmod 600. With a URI in its place
# it looks for an engine.
psql "host=db.example port=5432 dbname=postgres user=device sslmode=verify-full sslrootcert=/etc/iotsafe/ca.pem sslcert=/etc/iotsafe/client.pem sslkey=/etc/iotsafe/client-key.pem" "$@"
