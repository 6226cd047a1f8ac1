#!/usr/bin/env bash
# install.sh SOFTWARE FILES: puts the agent, Kafka and the units into their places on the machine that becomes the image.
set -euo pipefail
software=$1 files=$2

useradd --system --home-dir /var/lib/millrace --shell /sbin/nologin millrace
install -d -o millrace -g millrace -m 0750 /var/lib/millrace
install -d /opt/millrace
install -m 0755 "$software/broker-agent" /opt/millrace/broker-agent
install -m 0644 "$files/sysctl.conf" /etc/sysctl.d/90-millrace.conf
install -D -m 0644 "$files/lvmlocal.conf" /etc/lvm/lvmlocal.conf
install -m 0644 "$files"/*.service "$files"/*.timer /etc/systemd/system/

# Start-up archives build on the JVM's own, which not every package brings along.
own=$(dirname "$(dirname "$(readlink --canonicalize "$(command -v java)")")")/lib/server/classes.jsa
[ -e "$own" ] || java -Xshare:dump >/dev/null

# The start-up archives are made by this machine's Java with the jars in their final place, by the user who will run them;
# afterwards nobody may change either.
cp -R "$software/kafka" /opt/millrace/kafka
chown -R millrace:millrace /opt/millrace/kafka
install -m 0755 "$software/broker-image" /opt/millrace/broker-image # where that user can reach it
runuser --user millrace -- /opt/millrace/broker-image finish /opt/millrace/kafka
rm /opt/millrace/broker-image
chown -R root:root /opt/millrace
chmod -R u=rwX,go=rX /opt/millrace

# No way in: no shell from the network, and no agent that waits for commands.
systemctl enable millrace-volume.service millrace-agent.service millrace-grow.timer
systemctl disable sshd.service amazon-ssm-agent.service
