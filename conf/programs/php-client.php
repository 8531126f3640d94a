<?php
$context = stream_context_create(["ssl" => [
    "cafile" => "/etc/iotsafe/ca.pem",
    "local_cert" => "/etc/iotsafe/client.pem",
    "local_pk" => "/etc/iotsafe/client-key.pem",
]]);
$page = file_get_contents("https://server.example/", false, $context);
if ($page === false) {
    exit(1);
}
echo $page;
