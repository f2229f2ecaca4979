"""A real mail server for the tests: aiosmtpd on two ports, delivering into a maildir."""

import asyncio
import os
import signal
import ssl

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, AuthResult

DIR, HOST = os.environ["MAIL_DIR"], os.environ["MAIL_HOST"]
USER, PASSWORD = b"ann", b"mail-server-password"
REFUSED = "nobody@example.com"


class Handler(Mailbox):
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address == REFUSED:
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 ok"


def check(server, session, envelope, mechanism, data):
    # Not handled: the server answers 535 itself.
    return AuthResult(success=(data.login, data.password) == (USER, PASSWORD), handled=False)


async def main():
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(f"{DIR}/cert.pem", f"{DIR}/key.pem")
    handler = Handler(f"{DIR}/maildir")

    def smtp(**more):
        return lambda: SMTP(handler, hostname="mail.example.com", authenticator=check, auth_required=True, **more)

    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(smtp(tls_context=tls, require_starttls=True), HOST, int(os.environ["MAIL_STARTTLS_PORT"])),
        # aiosmtpd does not know that this port is encrypted already.
        await loop.create_server(smtp(auth_require_tls=False), HOST, int(os.environ["MAIL_TLS_PORT"]), ssl=tls),
    ]
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    open(f"{DIR}/ready", "w").close()
    await stop.wait()
    for server in servers:
        server.close()


asyncio.run(main())
