# A fleet the way people start one with what is at hand: a loop of virsh create, and then a look at each console until
# the agent says that it runs.
#
# usage: sh virsh.sh URI TYPE KERNEL INITRD CMDLINE DISK BYTES PORT HOSTS
#
# It writes to the directory that it is in. It prints a line when all hosts are up; when its standard input ends, or
# when it is told to end, it takes them down.
set -eu
uri=$1 type=$2 kernel=$3 initrd=$4 cmdline=$5 disk=$6 bytes=$7 port=$8 hosts=$9

destroy() {
	trap '' INT TERM
	for i in $(seq "$hosts"); do
		virsh -c "$uri" destroy "host$i" >/dev/null 2>&1 &
	done
	wait
}
trap destroy EXIT
trap 'exit 1' INT TERM

for i in $(seq "$hosts"); do
	qemu-img create -q -f qcow2 -F raw -b "$disk" "host$i.qcow2"
	cat >"host$i.xml" <<-EOF
		<domain type='$type'>
		  <name>host$i</name>
		  <memory unit='b'>$bytes</memory>
		  <vcpu>1</vcpu>
		  <os>
		    <type arch='x86_64' machine='q35'>hvm</type>
		    <kernel>$kernel</kernel>
		    <initrd>$initrd</initrd>
		    <cmdline>$cmdline</cmdline>
		  </os>
		  <features><acpi/></features>
		  <on_crash>preserve</on_crash>
		  <devices>
		    <disk type='file' device='disk'>
		      <driver name='qemu' type='qcow2'/>
		      <source file='$PWD/host$i.qcow2'/>
		      <target dev='vda' bus='virtio'/>
		    </disk>
		    <serial type='file'><source path='$PWD/host$i.log'/></serial>
		    <channel type='unix'>
		      <source mode='bind' path='$PWD/host$i.sock'/>
		      <target type='virtio' name='$port'/>
		    </channel>
		    <panic model='isa'/>
		  </devices>
		</domain>
	EOF
	virsh -c "$uri" create "host$i.xml" >/dev/null
done
for i in $(seq "$hosts"); do
	until grep -qs 'guest: the agent is running' "host$i.log"; do
		sleep 0.2
	done
done
echo up
read -r _ || true
