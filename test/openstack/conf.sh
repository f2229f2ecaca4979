# Writes every configuration file below $ETC, anew at each up, which sources it.
PW=$OPENSTACK_PASSWORD
RABBIT_URL=rabbit://openstack:$PW@127.0.0.1:$RABBIT_PORT/
db() { echo "mysql+pymysql://root@localhost/$1?unix_socket=$MYSQL_SOCKET&charset=utf8"; }

# credentials USER: how a service logs in at keystone.
credentials() {
	cat <<-EOF
		auth_type = password
		auth_url = $AUTH_URL
		username = $1
		password = $PW
		user_domain_name = Default
		project_domain_name = Default
		project_name = service
		region_name = $OPENSTACK_REGION
	EOF
}
# authtoken USER: how a service checks the tokens that it is given.
authtoken() {
	cat <<-EOF
		[keystone_authtoken]
		www_authenticate_uri = $AUTH_URL
		service_token_roles = service
		service_token_roles_required = true
		$(credentials "$1")
		[service_user]
		send_service_user_token = true
		$(credentials "$1")
	EOF
}
# common: what all services with workers share.
common() {
	cat <<-EOF
		[oslo_concurrency]
		lock_path = $RUN/lock
		[oslo_messaging_rabbit]
		heartbeat_in_pthread = false
		[oslo_messaging_notifications]
		driver = noop
	EOF
}

mkdir -p "$ETC"/{keystone,placement,rabbitmq} "$RUN/lock" "$LOG"
mkdir -p "$DATA"/{glance,nova,cinder,neutron,rabbitmq} "$DATA"/glance/{images,staging,tasks} "$DATA"/cinder/{volumes,conversion}
chmod 700 "$ETC" "$RUN" "$DATA"

cat >"$ETC/rabbitmq/rabbitmq.conf" <<EOF
listeners.tcp.1 = 127.0.0.1:$RABBIT_PORT
default_user = openstack
default_pass = $PW
EOF

cat >"$ETC/keystone/keystone.conf" <<EOF
[DEFAULT]
log_file = $LOG/keystone.log
use_stderr = false
[database]
connection = $(db keystone)
[fernet_tokens]
key_repository = $ETC/keystone/fernet
[fernet_receipts]
key_repository = $ETC/keystone/fernet
[credential]
key_repository = $ETC/keystone/credential
[identity]
password_hash_rounds = 4
[token]
expiration = 86400
EOF

cat >"$ETC/placement/placement.conf" <<EOF
[DEFAULT]
log_file = $LOG/placement.log
use_stderr = false
[placement_database]
connection = $(db placement)
$(authtoken placement)
EOF

cat >"$ETC/glance.conf" <<EOF
[DEFAULT]
log_file = $LOG/glance.log
use_stderr = false
bind_host = $OPENSTACK_HOST
bind_port = $GLANCE_PORT
workers = 0
enabled_backends = file:file
enabled_import_methods = [glance-direct,web-download,copy-image]
worker_self_reference_url = http://$OPENSTACK_HOST:$GLANCE_PORT
[database]
connection = $(db glance)
[glance_store]
default_backend = file
[file]
filesystem_store_datadir = $DATA/glance/images
filesystem_thin_provisioning = true
[os_glance_staging_store]
filesystem_store_datadir = $DATA/glance/staging
[os_glance_tasks_store]
filesystem_store_datadir = $DATA/glance/tasks
[import_filtering_opts]
# loopback is refused unless it is named here
allowed_hosts = [127.0.0.1,localhost,$OPENSTACK_HOST]
allowed_ports = []
[paste_deploy]
flavor = keystone
config_file = /usr/share/glance-common/glance-api-paste.ini
$(authtoken glance)
$(common)
EOF

cat >"$ETC/neutron.conf" <<EOF
[DEFAULT]
log_file = $LOG/neutron.log
use_stderr = false
state_path = $DATA/neutron
bind_host = $OPENSTACK_HOST
bind_port = $NEUTRON_PORT
api_workers = 0
rpc_workers = 0
rpc_state_report_workers = 0
api_paste_config = /usr/share/neutron-common/api-paste.ini
core_plugin = ml2
service_plugins =
transport_url = $RABBIT_URL
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
[database]
connection = $(db neutron)
[ml2]
type_drivers = local
tenant_network_types = local
mechanism_drivers = openstack_fake
extension_drivers = port_security
[quotas]
quota_network = -1
quota_port = -1
quota_subnet = -1
$(authtoken neutron)
$(common)
EOF

cat >"$ETC/cinder.conf" <<EOF
[DEFAULT]
log_dir = $LOG
use_stderr = false
host = node1
my_ip = $OPENSTACK_HOST
state_path = $DATA/cinder
image_conversion_dir = $DATA/cinder/conversion
osapi_volume_listen = $OPENSTACK_HOST
osapi_volume_listen_port = $CINDER_PORT
osapi_volume_workers = 1
api_paste_config = /usr/share/cinder-common/api-paste.ini
resource_query_filters_file = /etc/cinder/resource_filters.json
auth_strategy = keystone
transport_url = $RABBIT_URL
glance_api_servers = http://$OPENSTACK_HOST:$GLANCE_PORT
enabled_backends = dir
default_volume_type = __DEFAULT__
quota_volumes = -1
quota_snapshots = -1
quota_gigabytes = -1
periodic_interval = 20
[dir]
volume_driver = openstack_fake_cinder.DirectoryDriver
volume_backend_name = dir
[database]
connection = $(db cinder)
[nova]
$(credentials cinder)
$(authtoken cinder)
$(common)
EOF

cat >"$ETC/nova.conf" <<EOF
[DEFAULT]
log_dir = $LOG
use_stderr = false
host = node1
my_ip = $OPENSTACK_HOST
state_path = $DATA/nova
enabled_apis = osapi_compute
osapi_compute_listen = $OPENSTACK_HOST
osapi_compute_listen_port = $NOVA_PORT
osapi_compute_workers = 1
compute_driver = openstack_fake_nova.FakeDriver
transport_url = $RABBIT_URL
allow_resize_to_same_host = true
[api]
auth_strategy = keystone
[wsgi]
api_paste_config = /usr/share/nova-common/api-paste.ini
[conductor]
workers = 1
[scheduler]
workers = 1
discover_hosts_in_cells_interval = 60
[quota]
instances = -1
cores = -1
ram = -1
[vnc]
enabled = false
[glance]
api_servers = http://$OPENSTACK_HOST:$GLANCE_PORT
[cinder]
os_region_name = $OPENSTACK_REGION
[neutron]
$(credentials neutron)
[placement]
$(credentials placement)
$(authtoken nova)
$(common)
EOF

# Only what nova-compute must not have: it reaches the database through nova-conductor.
cat >"$ETC/nova-db.conf" <<EOF
[api_database]
connection = $(db nova_api)
[database]
connection = $(db nova)
EOF
