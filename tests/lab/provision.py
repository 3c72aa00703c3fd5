"""provision.py DIRECTORY DOMAIN ADDRESS PASSWORD: makes a domain there, with its one controller. In a
process of its own, since Samba's modules keep settings. (samba-tool would want a file system with
access control lists for the share that clients read policies from, which nobody needs here.)"""

import logging
import sys

from samba.auth import system_session
from samba.dsdb import DS_DOMAIN_FUNCTION_2008_R2
from samba.param import LoadParm
from samba.provision import provision


def main():
    directory, domain, address, password = sys.argv[1:]
    parameters = LoadParm()
    parameters.set("ldb:nosync", "true")
    provision(logging.getLogger(), system_session(), targetdir=directory, realm=domain.upper(),
              domain=domain.split(".")[0].upper(), hostname="dc1", hostip=address,
              adminpass=password, dns_backend="NONE", serverrole="dc", use_ntvfs=True,
              dom_for_fun_level=DS_DOMAIN_FUNCTION_2008_R2, lp=parameters)


main()
