# Settings of up, seed and down. Each can be set from outside; give all three the same.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8

OPENSTACK_DIR=${OPENSTACK_DIR:-${TMPDIR:-/tmp}/stint-openstack} # everything that is made lives here
OPENSTACK_HOST=${OPENSTACK_HOST:-127.0.0.1}                     # where the services listen
OPENSTACK_REGION=${OPENSTACK_REGION:-RegionOne}
OPENSTACK_PASSWORD=${OPENSTACK_PASSWORD:-secret}                # of every user and service
OPENSTACK_DELAY=${OPENSTACK_DELAY:-0}                           # seconds that a boot, a rebuild or a server's image takes at least
OPENSTACK_WAIT=${OPENSTACK_WAIT:-180}                           # seconds to wait for one service or one thing

KEYSTONE_PORT=${KEYSTONE_PORT:-5000}
GLANCE_PORT=${GLANCE_PORT:-9292}
NOVA_PORT=${NOVA_PORT:-8774}
PLACEMENT_PORT=${PLACEMENT_PORT:-8778}
CINDER_PORT=${CINDER_PORT:-8776}
NEUTRON_PORT=${NEUTRON_PORT:-9696}
RABBIT_PORT=${RABBIT_PORT:-5672}
RABBIT_DIST_PORT=${RABBIT_DIST_PORT:-25672}
EPMD_PORT=${EPMD_PORT:-4369}

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ETC=$OPENSTACK_DIR/etc LOG=$OPENSTACK_DIR/log RUN=$OPENSTACK_DIR/run DATA=$OPENSTACK_DIR/data
MYSQL_SOCKET=$RUN/mysql.sock
AUTH_URL=http://$OPENSTACK_HOST:$KEYSTONE_PORT/v3

export no_proxy=127.0.0.1,localhost,$OPENSTACK_HOST
export OPENSTACK_DIR OPENSTACK_HOST OPENSTACK_REGION OPENSTACK_PASSWORD OPENSTACK_DELAY OPENSTACK_WAIT AUTH_URL
export KEYSTONE_PORT GLANCE_PORT NOVA_PORT PLACEMENT_PORT CINDER_PORT NEUTRON_PORT

# In the order in which they start; down goes backwards.
SERVICES="mysql epmd rabbit keystone placement glance neutron cinder-api cinder-scheduler cinder-volume
          nova-conductor nova-scheduler nova-api nova-compute"

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# only_here refuses what the scripts cannot do: they install Debian's packages and run services that want to be root.
only_here() {
	[ "$(id -u)" = 0 ] || die "must run as root: it installs packages and runs services (in a container, that is enough)"
	local system
	system=$(. /etc/os-release 2>/dev/null && echo "${ID:-} ${VERSION_ID:-}") || true
	[ "$system" = "debian 12" ] || die "needs Debian 12, whose packages it installs; this is ${system:-something else}"
	[ ${#MYSQL_SOCKET} -le 107 ] || die "OPENSTACK_DIR is too long: a socket below it must fit into 107 characters"
}

# A pid file holds the pid and when that process started, so that a pid which the system has given to another process
# since is never taken for one of ours.
started() { awk '{ sub(/.*\) /, ""); print $20 }' "/proc/$1/stat" 2>/dev/null; }

# pid_of prints the pid of a service, and fails when it does not run.
pid_of() {
	local pid since
	read -r pid since 2>/dev/null <"$RUN/$1.pid" || return 1
	[ -n "$since" ] && [ "$(started "$pid")" = "$since" ] && echo "$pid"
}
