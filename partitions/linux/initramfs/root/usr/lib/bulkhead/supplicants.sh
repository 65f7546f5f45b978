#!/bin/busybox sh
# supplicants.sh stop|start TEE: what `bulkhead-rebind` has done to an OP-TEE's supplicant, where no systemd does it.
. /usr/lib/bulkhead/common.sh

case $1 in
stop)
    rm -f "/run/bulkhead/serve.$2"
    for pid in $(pidof tee-supplicant); do
        tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q "/var/lib/tee/$2 " && kill "$pid"
    done
    ;;
start)
    read -r _ _ _ _ private <<END
$(bulkhead-tees "$2")
END
    serve "$2" "$private"
    ;;
esac
exit 0
