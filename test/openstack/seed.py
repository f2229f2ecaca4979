"""Two projects, four users, and what each of them would own.

Everything is found again by its name, so that a second run adds only what is missing. clouds.yaml gains an entry for
each user (NAME) and for each of their application credentials (NAME-app).
"""
import os
import subprocess
import tempfile
import time

import openstack
from openstack.exceptions import raise_from_response
import yaml

env = os.environ
CLOUDS = os.path.join(env['OPENSTACK_DIR'], 'clouds.yaml')
USERS = {   # name: project, e-mail
    'alice': ('web', 'alice@example.com'),
    'bob': ('web', 'bob@example.com'),
    'carol': ('batch', 'carol@example.com'),
    'dave': ('batch', None),
}
FLAVORS = {'m1.tiny': (1, 512, 1), 'm1.small': (1, 2048, 20), 'm1.medium': (2, 4096, 40)}


class Cloud:
    """The REST APIs, as one user."""
    def __init__(self, **auth):
        kind = 'v3applicationcredential'
        if 'username' in auth:
            kind = 'password'
            auth.update(password=env['OPENSTACK_PASSWORD'],
                        user_domain_name='Default', project_domain_name='Default')
        self.entry = {'auth_type': kind, 'auth': dict(auth, auth_url=env['AUTH_URL']),
                      'region_name': env['OPENSTACK_REGION'], 'identity_api_version': 3}
        self.sdk = openstack.connect(load_yaml_config=False, load_envvars=False, **self.entry)

    def call(self, service, method, path, body=None, **options):
        if isinstance(body, bytes):
            options.update(data=body, headers={'Content-Type': 'application/octet-stream'})
        elif body is not None:
            options.update(json=body)
        answer = getattr(self.sdk, service).request(path, method, **options)
        raise_from_response(answer)
        return answer.json() if answer.content else None

    def named(self, service, path, key, name):
        found = self.call(service, 'GET', path)[key]
        return next((item for item in found if item['name'] == name), None)

    def ensure(self, service, path, kind, **fields):
        known = self.named(service, path, kind + 's', fields['name'])
        return known or self.call(service, 'POST', path, {kind: fields})[kind]

    def settled(self, service, path, kind, wanted):
        until = time.time() + int(env['OPENSTACK_WAIT'])
        while True:
            item = self.call(service, 'GET', path)
            item = item[kind] if kind else item
            status = item['status'].lower()
            if status in wanted:
                return item
            if 'error' in status or time.time() > until:
                raise SystemExit('%s is %s: %s' % (path, status, item.get('fault')))
            time.sleep(0.3)


def qcow2(size):
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', file.name, size], check=True)
        return open(file.name, 'rb').read()


def image(cloud, name, disk_format, data, imported=False, **properties):
    known = cloud.named('image', '/images?name=' + name, 'images', name)
    if known:
        return known
    made = cloud.call('image', 'POST', '/images', dict(
        properties, name=name, disk_format=disk_format, container_format='bare'))
    path = '/images/' + made['id']
    if imported:
        cloud.call('image', 'PUT', path + '/stage', data)
        cloud.call('image', 'POST', path + '/import', {'method': {'name': 'glance-direct'}})
    else:
        cloud.call('image', 'PUT', path + '/file', data)
    return cloud.settled('image', path, None, ['active'])


def server(cloud, name, network, flavor, tags=(), **fields):
    known = cloud.named('compute', '/servers', 'servers', name)
    if known:
        return known['id']
    made = cloud.call('compute', 'POST', '/servers', {'server': dict(
        fields, name=name, flavorRef=flavor, networks=[{'uuid': network}], tags=list(tags))},
        microversion='2.67')['server']['id']
    cloud.settled('compute', '/servers/' + made, 'server', ['active'])
    return made


def volume(cloud, name, **fields):
    known = cloud.named('block_storage', '/volumes', 'volumes', name)
    made = known or cloud.call('block_storage', 'POST', '/volumes', {
        'volume': dict(fields, name=name, size=1)})['volume']
    return cloud.settled('block_storage', '/volumes/' + made['id'], 'volume', ['available', 'in-use'])


def everything_of(name, email, cloud, base, flavors):
    network = cloud.ensure('network', '/networks', 'network', name=name + '-net')
    if not network['subnets']:
        cloud.call('network', 'POST', '/subnets', {'subnet': {
            'network_id': network['id'], 'ip_version': 4, 'cidr': '10.0.0.0/24', 'name': name + '-subnet'}})
    data = volume(cloud, name + '-data', metadata={'owner': name}, description='data of ' + name)
    volume(cloud, name + '-spare', imageRef=base['id'])
    snapshot = cloud.ensure('block_storage', '/snapshots', 'snapshot', name=name + '-data-snap',
                            volume_id=data['id'], metadata={'owner': name}, force=True)
    cloud.settled('block_storage', '/snapshots/' + snapshot['id'], 'snapshot', ['available'])
    app = server(cloud, name + '-app', network['id'], flavors['m1.tiny'], ['demo', name], imageRef=base['id'],
                 metadata={'role': 'app', 'owner': email or name, 'env': 'prod'})
    if data['status'] == 'available':
        cloud.call('compute', 'POST', '/servers/%s/os-volume_attachments' % app,
                   {'volumeAttachment': {'volumeId': data['id']}})
        cloud.settled('block_storage', '/volumes/' + data['id'], 'volume', ['in-use'])
    if not cloud.named('image', '/images?name=%s-app-image' % name, 'images', name + '-app-image'):
        made = cloud.call('compute', 'POST', '/servers/%s/action' % app, {'createImage': {
            'name': name + '-app-image', 'metadata': {'purpose': 'demo'}}}, microversion='2.45')
        cloud.settled('image', '/images/' + made['image_id'], None, ['active'])
    server(cloud, name + '-db', network['id'], flavors['m1.small'], imageRef=base['id'],
           metadata={'role': 'db', 'env': 'test'})


def app_credential(cloud, name, clouds):
    path = '/users/%s/application_credentials' % cloud.sdk.current_user_id
    known = cloud.named('identity', path, 'application_credentials', name)
    if known and name in clouds:
        return
    if known:    # its secret is lost
        cloud.call('identity', 'DELETE', path + '/' + known['id'])
    made = cloud.call('identity', 'POST', path, {'application_credential': {'name': name}})['application_credential']
    clouds[name] = Cloud(application_credential_id=made['id'],
                         application_credential_secret=made['secret']).entry


def main():
    with open(CLOUDS) as file:
        config = yaml.safe_load(file)
    clouds = config['clouds']
    admin = Cloud(username='admin', project_name='admin')
    app_credential(admin, 'admin-app', clouds)
    member = admin.named('identity', '/roles', 'roles', 'member')['id']
    flavors = {}
    for name, (cpus, ram, disk) in FLAVORS.items():
        flavors[name] = admin.ensure('compute', '/flavors', 'flavor', name=name, vcpus=cpus, ram=ram, disk=disk)['id']
    base = image(admin, 'debian-12', 'raw', os.urandom(1 << 20), visibility='public',
                 os_distro='debian', os_version='12', min_disk=1)
    image(admin, 'debian-12-qcow2', 'qcow2', qcow2('1G'), imported=True, visibility='public',
          os_distro='debian', os_version='12')
    for name, (project, email) in USERS.items():
        project_id = admin.ensure('identity', '/projects', 'project', name=project)['id']
        extra = {'email': email} if email else {}
        user = admin.ensure('identity', '/users', 'user', name=name, password=env['OPENSTACK_PASSWORD'],
                            default_project_id=project_id, **extra)
        admin.call('identity', 'PUT', '/projects/%s/users/%s/roles/%s' % (project_id, user['id'], member))
        cloud = Cloud(username=name, project_name=project)
        clouds[name] = cloud.entry
        app_credential(cloud, name + '-app', clouds)
        everything_of(name, email, cloud, base, flavors)
        print('%-6s %-6s %s' % (name, project, email or '(no e-mail)'), flush=True)
    with open(CLOUDS, 'w') as file:
        yaml.safe_dump(config, file, sort_keys=False)
    os.chmod(CLOUDS, 0o600)


main()
