//! Flags of well-known tools that do not say that their value is a password: `sshpass -p SECRET`.

/// (tools, flag), as their manuals have them.
const FLAGS: [(&[&str], &str); 10] = [
    (&["sshpass", "docker", "podman", "nerdctl", "buildah", "skopeo", "helm", "az", "oc"], "-p"),
    (&["mongo", "mongosh", "mongodump", "mongoexport", "mongorestore", "mongoimport", "cqlsh", "rabbitmqadmin"], "-p"),
    (&["redis-cli", "valkey-cli"], "-a"),
    (&["ldapsearch", "ldapadd", "ldapmodify", "ldapwhoami", "ldapcompare", "ldapdelete", "ldappasswd"], "-w"),
    (&["unzip", "zip", "zipinfo", "sqlcmd", "bcp", "isql", "ipmitool"], "-P"),
    (&["influx"], "-t"),
    (&["openssl"], "-k"),
    (&["openssl"], "-K"),
    (&["snmpget", "snmpwalk", "snmpbulkwalk", "snmpset"], "-A"),
    (&["snmpget", "snmpwalk", "snmpbulkwalk", "snmpset"], "-X"),
];

/// The words of a command line, one after the other.
#[derive(Default)]
pub(super) struct Words<'a> {
    /// Which flags of the tools that were named so far have a password behind them.
    flags: Vec<&'static str>,
    last: &'a str,
}

impl<'a> Words<'a> {
    /// Goes on to the next word; whether it is a password by the flag before it. A port (`docker run -p 80:80`) is none.
    pub(super) fn is_password(&mut self, word: &'a str) -> bool {
        let is_port = self.last == "-p" && word.chars().all(|letter| letter.is_ascii_digit() || ":.-".contains(letter));
        let is_password = self.flags.contains(&self.last) && !is_port;
        let name = word.rsplit('/').next().unwrap_or(word);
        for (_, flag) in FLAGS.iter().filter(|(tools, _)| tools.contains(&name)) {
            if !self.flags.contains(flag) {
                self.flags.push(flag);
            }
        }
        self.last = word;
        is_password
    }
}
