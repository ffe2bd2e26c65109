"""All of them, in the order of the tables' columns."""

from .proxies import DovecotProxy, Headgate, NginxMail, NginxMail64k, Perdition
from .tunnels import HaProxy, Hitch, NginxStream, Stunnel

PEERS = {
    "headgate": Headgate,
    "nginx": NginxMail,
    "nginx64k": NginxMail64k,
    "dovecot": DovecotProxy,
    "perdition": Perdition,
    "haproxy": HaProxy,
    "stream": NginxStream,
    "stunnel": Stunnel,
    "hitch": Hitch,
}
