// A JSSE client with a key manager of the algorithm that is named: SunX509 or PKIX (NewSunX509).
import java.io.FileInputStream;
import java.security.KeyStore;
import javax.net.ssl.*;

public class Client {
    public static void main(String[] args) throws Exception {
        char[] password = "changeit".toCharArray();
        KeyStore keys = KeyStore.getInstance("PKCS12");
        try (FileInputStream in = new FileInputStream(args[1])) { keys.load(in, password); }
        KeyStore roots = KeyStore.getInstance("PKCS12");
        try (FileInputStream in = new FileInputStream(args[2])) { roots.load(in, password); }
        KeyManagerFactory managers = KeyManagerFactory.getInstance(args[0]);
        managers.init(keys, password);
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(roots);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(managers.getKeyManagers(), trust.getTrustManagers(), null);
        for (int i = 3; i < args.length; i++) {
            try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket("127.0.0.1", Integer.parseInt(args[i]))) {
                socket.setSoTimeout(5000);
                socket.getOutputStream().write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".getBytes());
                socket.getOutputStream().flush();
                System.out.println(args[i] + " " + socket.getInputStream().read());
            } catch (Exception e) {
                System.out.println(args[i] + " " + e);
            }
        }
    }
}
