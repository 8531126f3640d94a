# SPDX-License-Identifier: Apache-2.0
import ssl
import urllib.request

context = ssl.create_default_context(cafile="/etc/iotsafe/ca.pem")
context.load_cert_chain("/etc/iotsafe/client.pem", "/etc/iotsafe/client-key.pem")
with urllib.request.urlopen("https://server.example/", context=context) as response:
    print(response.read().decode())
