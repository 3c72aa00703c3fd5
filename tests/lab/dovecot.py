"""A backend mail system: Dovecot with LMTP and IMAP on loopback; a user exists once it has mail."""

import os
import pwd
import re

from .process import Server, answers, free_port

CONFIG = """\
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {log}
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_username_format = %Ln
recipient_delimiter = +
mail_location = maildir:~/Maildir
mail_fsync = never
mail_max_userip_connections = 100
default_internal_user = {internal}
default_login_user = {login}
default_internal_group = {internal_group}
login_greeting = {system} ready
hostname = {domain}
{accounts}service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp_port}
  }}
}}
service anvil {{
  chroot =
}}
"""

ACCOUNTS = """\
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={dir}/mail/%Ln allow_all_users=yes
}}
"""


def _existing(*names):
    """The first of these accounts that this machine has."""
    for name in names:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise KeyError(names)


class Dovecot(Server):
    password = "lab"

    def __init__(self, lab, system):
        self.system = system
        self.domain = system.lower() + ".lab"
        self.name = system.lower()
        super().__init__(lab)
        self.imap_port = free_port()
        self.lmtp_port = free_port()
        self.conf = os.path.join(self.dir, "dovecot.conf")
        self._prepare()

    def accounts(self, names):
        """Where its users come from, and further settings."""
        return ACCOUNTS.format(**names)

    def _prepare(self):
        owner = _existing("nobody", "daemon")
        internal = _existing("dovecot", "daemon")
        login = _existing("dovenull", "games", "nobody")
        for sub in ("run", "state", "mail"):
            os.makedirs(os.path.join(self.dir, sub), exist_ok=True)
        # nobody is outside of Dovecot's own range of mail users
        limits = "first_valid_uid = 1\nlast_valid_uid = 0\nfirst_valid_gid = 1\n"
        os.chown(os.path.join(self.dir, "mail"), owner.pw_uid, owner.pw_gid)
        with open(self.conf, "w") as conf:
            names = dict(
                dir=self.dir, log=self.log, internal=internal.pw_name, login=login.pw_name,
                internal_group=_group_name(internal.pw_gid), system=self.system,
                domain=self.domain, password=self.password, uid=owner.pw_uid, gid=owner.pw_gid,
                imap_port=self.imap_port, lmtp_port=self.lmtp_port)
            conf.write(limits + CONFIG.format(accounts=self.accounts(names), **names))

    def users(self):
        """Who has got mail there so far."""
        root = os.path.join(self.dir, "mail")
        return sorted(u for u in os.listdir(root) if os.path.isdir(os.path.join(root, u)))

    def arrived_since(self, user, instant):
        """How many messages came after that wall clock time, by the names of their files."""
        folder = os.path.join(self.dir, "mail", user, "Maildir")
        names = os.listdir(folder + "/new") + os.listdir(folder + "/cur")
        stamps = [re.match(r"(\d+)\.M(\d+)P", name).groups() for name in names]
        return sum(int(seconds) + int(micro) / 1e6 > instant for seconds, micro in stamps)

    def login(self, imap, user):
        imap.login(user, self.password)

    def command(self):
        return ["/usr/sbin/dovecot", "-F", "-c", self.conf]

    def ready(self):
        return answers(self.imap_port) and answers(self.lmtp_port)


def _group_name(gid):
    import grp
    return grp.getgrgid(gid).gr_name
