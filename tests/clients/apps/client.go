// A crypto/tls client as its documentation has it: one certificate in Config.Certificates.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"
)

func main() {
	certificate, err := tls.LoadX509KeyPair(os.Args[1], os.Args[2])
	if err != nil {
		panic(err)
	}
	pem, err := os.ReadFile(os.Args[3])
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: roots, ServerName: "localhost"}
	for _, port := range os.Args[4:] {
		connection, err := tls.Dial("tcp", "127.0.0.1:"+port, config)
		if err == nil {
			connection.SetDeadline(time.Now().Add(5 * time.Second))
			fmt.Fprint(connection, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
			_, err = connection.Read(make([]byte, 1024))
			connection.Close()
		}
		fmt.Println(port, err)
	}
}
