# Settings shared by up and down; each may be overridden from outside.
MAIL_DIR=${MAIL_DIR:-${TMPDIR:-/tmp}/stint-mail}   # everything lives here
MAIL_HOST=${MAIL_HOST:-127.0.0.1}
MAIL_STARTTLS_PORT=${MAIL_STARTTLS_PORT:-2587}
MAIL_TLS_PORT=${MAIL_TLS_PORT:-2465}
export MAIL_DIR MAIL_HOST MAIL_STARTTLS_PORT MAIL_TLS_PORT

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# The pid file holds the pid and the time that process started, so that a recycled pid is never taken for ours.
started() { awk '{ sub(/.*\) /, ""); print $20 }' "/proc/$1/stat" 2>/dev/null; }
running() {   # the pid of the server if it runs, or nothing
	local pid since
	read -r pid since 2>/dev/null <"$MAIL_DIR/pid" || return 1
	[ -n "$since" ] && [ "$(started "$pid")" = "$since" ] && echo "$pid"
}
