// server PORT PKI TLS MODE TRUST: net/http with client certificates.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
)

func main() {
	port, pki, version, mode, trust := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	roots, err := os.ReadFile(filepath.Join(pki, trust))
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(roots)
	modes := map[string]tls.ClientAuthType{
		"none": tls.NoClientCert, "request": tls.RequestClientCert, "require-any": tls.RequireAnyClientCert,
		"verify-if-given": tls.VerifyClientCertIfGiven, "require-and-verify": tls.RequireAndVerifyClientCert,
	}
	limits := map[string][2]uint16{"1.2": {tls.VersionTLS12, tls.VersionTLS12}, "1.3": {tls.VersionTLS13, tls.VersionTLS13},
		"both": {tls.VersionTLS12, tls.VersionTLS13}}[version]
	config := &tls.Config{ClientAuth: modes[mode], ClientCAs: pool, MinVersion: limits[0], MaxVersion: limits[1]}
	if mode == "any-in-chain" {
		// the mistake: any certificate of the message that verifies is taken for the client's
		config.ClientAuth = tls.RequireAnyClientCert
		config.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
			above := x509.NewCertPool()
			var sent []*x509.Certificate
			for _, der := range raw {
				if cert, err := x509.ParseCertificate(der); err == nil {
					above.AddCert(cert)
					sent = append(sent, cert)
				}
			}
			for _, cert := range sent {
				usages := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
				if _, err := cert.Verify(x509.VerifyOptions{Roots: pool, Intermediates: above, KeyUsages: usages}); err == nil && !cert.IsCA {
					return nil
				}
			}
			return fmt.Errorf("no certificate verifies")
		}
	}
	server := &http.Server{
		Addr: "127.0.0.1:" + port,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok") }),
		TLSConfig: config,
	}
	fmt.Println(server.ListenAndServeTLS(filepath.Join(pki, "server.pem"), filepath.Join(pki, "server.key")))
}
