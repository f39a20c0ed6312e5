//! An SM2 authority run by OpenSSL's commands. Unlike ours it signs whatever it is told to.

use glovebox_gm::SM2_DEFAULT_ID;
use glovebox_gm::pki::Authority;

use crate::zone::Zone;

/// Extensions by the name of their section, and what `ca -gencrl` wants.
const CONFIG: &str = "
[req]
distinguished_name = subject
[subject]
[zone]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:enclave.test
authorityKeyIdentifier = keyid
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, digitalSignature, keyCertSign
extendedKeyUsage = clientAuth
[critical]
extendedKeyUsage = clientAuth
1.2.3.4 = critical, DER:05:00
[ca]
default_ca = lists
[lists]
database = index.txt
crl_extensions = list
[list]
authorityKeyIdentifier = keyid
";

pub(crate) struct OpenSslAuthority<'a> {
    zone: &'a Zone,
    certificate: &'static str,
    key: &'static str,
}

impl<'a> OpenSslAuthority<'a> {
    /// A fresh one in `theirs-ca.pem` and `theirs-ca.key`.
    pub(crate) fn create(zone: &'a Zone) -> Self {
        zone.write("openssl.cnf", CONFIG);
        zone.openssl.text("genpkey -algorithm SM2 -out theirs-ca.key");
        let subject = "-subj /CN=theirs -config openssl.cnf -extensions zone";
        zone.openssl.text(&format!(
            "req -x509 -new -key theirs-ca.key {subject} -sm3 -sigopt distid:{SM2_DEFAULT_ID} -days 9 \
             -out theirs-ca.pem"
        ));
        Self { zone, certificate: "theirs-ca.pem", key: "theirs-ca.key" }
    }

    /// Ours, with its key in OpenSSL's hands.
    pub(crate) fn of(zone: &'a Zone, authority: &Authority) -> Self {
        zone.write("openssl.cnf", CONFIG);
        zone.write("ca.key", authority.key_pem().expose());
        Self { zone, certificate: "ca.pem", key: "ca.key" }
    }

    /// Certifies the key in the file `key` into `<name>.pem`, signed under `id`; the extensions are a section of
    /// [`CONFIG`].
    pub(crate) fn issue(&self, extensions: &str, key: &str, name: &str, id: &str) {
        let common_name = if extensions == "server" { "enclave" } else { "lin.wei" };
        let openssl = &self.zone.openssl;
        openssl.text(&format!("pkey -in {key} -pubout -out {name}.pub"));
        openssl.text(&format!(
            "x509 -new -force_pubkey {name}.pub -subj /CN={common_name}/O=hospital-a -CA {} -CAkey {} -sm3 -sigopt \
             distid:{id} -extfile openssl.cnf -extensions {extensions} -days 3 -out {name}.pem",
            self.certificate, self.key
        ));
    }

    /// Makes a key in `<name>.key` and certifies it; the serial number, upper-case hexadecimal.
    pub(crate) fn issue_with_key(&self, extensions: &str, name: &str) -> String {
        self.zone.openssl.text(&format!("genpkey -algorithm SM2 -out {name}.key"));
        self.issue(extensions, &format!("{name}.key"), name, SM2_DEFAULT_ID);
        let answer = self.zone.openssl.text(&format!("x509 -noout -serial -in {name}.pem"));
        answer.trim().trim_start_matches("serial=").to_owned()
    }

    /// A revocation list of these serial numbers.
    pub(crate) fn list(&self, serials: &[&str]) -> String {
        let entry = |serial: &&str| format!("R\t491231000000Z\t200101000000Z\t{serial}\tunknown\t/CN=lin.wei\n");
        self.zone.write("index.txt", &serials.iter().map(entry).collect::<String>());
        self.sign_list("-crlsec 3600")
    }

    /// An empty one past its end.
    pub(crate) fn past_list(&self) -> String {
        self.zone.write("index.txt", "");
        self.sign_list("-crl_lastupdate 20200101000000Z -crl_nextupdate 20200102000000Z")
    }

    fn sign_list(&self, term: &str) -> String {
        self.zone.openssl.text(&format!(
            "ca -gencrl -config openssl.cnf -keyfile {} -cert {} -md sm3 -sigopt distid:{SM2_DEFAULT_ID} {term} -out \
             theirs-list.pem",
            self.key, self.certificate
        ));
        self.zone.read("theirs-list.pem")
    }
}
