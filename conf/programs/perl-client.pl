use IO::Socket::SSL;

my $connection = IO::Socket::SSL->new(
	PeerAddr => 'server.example:443',
	SSL_ca_file => '/etc/iotsafe/ca.pem',
	SSL_cert_file => '/etc/iotsafe/client.pem',
	SSL_key_file => '/etc/iotsafe/client-key.pem',
) or die "$IO::Socket::SSL::SSL_ERROR\n";
print $connection "GET / HTTP/1.0\r\n\r\n";
print while <$connection>;
