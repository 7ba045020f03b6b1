"""A real receiver of webhooks, on a port of this machine."""

import ssl
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """Answers what it is told to, and keeps what it got."""

    def __init__(self):
        self.got = []
        self.names = []
        """Server names that clients asked for, in TLS."""
        self.answer = 204
        self.headers = {}
        self.pause = 0.0
        self.drip = 0
        """Bytes of an answer that is not done for long, one at a time."""


@contextmanager
def receiving(authority=None, host="127.0.0.1"):
    """Receive, by https where an authority (of trustme) signs for `host`; yields a `Receiver` with
    its `url`."""
    told = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            told.got.append((self.path, headers, body))
            time.sleep(told.pause)
            self.send_response(told.answer)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.end_headers()
            for _ in range(told.drip):
                self.wfile.write(b".")
                self.wfile.flush()
                time.sleep(0.1)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_):
            pass  # a client that went away

    server = Server(("127.0.0.1", 0), Handler)
    scheme = "http"
    if authority is not None:
        scheme = "https"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(host).configure_cert(context)
        context.sni_callback = lambda _, name, __: told.names.append(name)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    told.port = server.server_address[1]
    told.url = f"{scheme}://{host}:{told.port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
