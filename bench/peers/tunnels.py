"""Those that carry bytes and know no IMAP: references for what the TLS and the copying alone cost."""

import re

from .process import Peer, output_of


class Tunnel(Peer):
    speaks_imap = False

    def pem(self):
        """Certificate and key in one file, as several of them want it."""
        both = self.bench.certificate.read_text() + self.bench.key.read_text()
        return self.write("both.pem", both)


class HaProxy(Tunnel):
    name = "HAProxy"
    program = "haproxy"
    package = "haproxy"

    def version(self):
        return re.search(r"version (\S+)", output_of(["/usr/sbin/haproxy", "-v"])).group(1)

    def command(self):
        config = self.write("haproxy.cfg", f"""\
global
  nbthread 1
  maxconn 9500
  ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
  mode tcp
  timeout connect 10s
  timeout client 1h
  timeout server 1h
listen imaps
  bind 127.0.0.1:{self.port} ssl crt {self.pem()}
  server backend 127.0.0.1:{self.bench.backend_port}
""")
        return ["/usr/sbin/haproxy", "-db", "-f", config]


class NginxStream(Tunnel):
    name = "nginx stream"
    program = "nginx"
    package = "nginx"

    def version(self):
        return re.search(r"nginx/(\S+)", output_of(["/usr/sbin/nginx", "-v"])).group(1)

    def command(self):
        config = self.write("nginx.conf", f"""\
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid nginx.pid;
error_log error.log error;
events {{ worker_connections 19500; }}
stream {{
  server {{
    listen 127.0.0.1:{self.port} ssl backlog=4096;
    ssl_protocols TLSv1.3;
    ssl_certificate {self.bench.certificate};
    ssl_certificate_key {self.bench.key};
    proxy_pass 127.0.0.1:{self.bench.backend_port};
    proxy_timeout 1h;
  }}
}}
""")
        return ["/usr/sbin/nginx", "-p", str(self.directory), "-e", "error.log", "-c", config]


class Hitch(Tunnel):
    name = "hitch"
    program = "hitch"
    package = "hitch"

    def version(self):
        return re.search(r"hitch (\S+)", output_of(["/usr/sbin/hitch", "--version"])).group(1)

    def command(self):
        config = self.write("hitch.conf", f"""\
frontend = "[127.0.0.1]:{self.port}"
backend = "[127.0.0.1]:{self.bench.backend_port}"
pem-file = "{self.pem()}"
workers = 1
backlog = 4096
tls-protos = TLSv1.3
user = "nobody"
group = "nogroup"
daemon = off
quiet = on
""")
        return ["/usr/sbin/hitch", "--config", config]


class Stunnel(Tunnel):
    name = "stunnel"
    program = "stunnel4"
    package = "stunnel4"
    most_sessions = 1_000
    held_sessions = 200

    def version(self):
        return re.search(r"stunnel (\S+)", output_of(["/usr/bin/stunnel4", "-version"])).group(1)

    def command(self):
        config = self.write("stunnel.conf", f"""\
foreground = yes
debug = 3
pid =
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
[imaps]
accept = 127.0.0.1:{self.port}
connect = 127.0.0.1:{self.bench.backend_port}
cert = {self.pem()}
sslVersionMin = TLSv1.3
""")
        return ["/usr/bin/stunnel4", config]
