# A PKCS#11 tool from a package, which names no TEE, keeps keys in the TEE in which the table places the application
# of the tokens; another TEE does not have them.
. /usr/lib/bulkhead/common.sh

MODULE=/usr/lib/aarch64-linux-gnu/libckteec.so.0
TOKENS=fd02c9da-306c-48c7-a49c-bbd827ae86ee
tee=$(awk -v uuid=$TOKENS '/^name/ { gsub("\"", "", $3); name = $3 } index($0, uuid) { print name }' /etc/bulkhead/tees.toml)
other=$(awk -v name="$tee" '$3 == "optee" && $1 != name { print $1; exit }' $TEES)
mkdir -p /run/bulkhead/tokens
cd /run/bulkhead/tokens || exit

# tool ARGUMENTS...: the tool with the module of the tokens. It loads modules with RTLD_DEEPBIND, which goes around what is
# preloaded: for it, the drop-in stands in libteec's place. With TEE set, the tool is asked about that TEE.
tool() {
    BULKHEAD_TEE=$TEE LD_LIBRARY_PATH=/usr/lib/bulkhead/route timeout 120 pkcs11-tool --module $MODULE "$@" 2>&1 </dev/null
}
TEE=

# works NAME ARGUMENTS...: the tool must do it.
works() {
    local name=$1 start why
    shift
    start=$(now)
    if why=$(tool "$@"); then
        result tokens "$tee" "$name" true $(($(now) - start))
    else
        result tokens "$tee" "$name" false $(($(now) - start)) "$why"
    fi
}

# files TEE: how many files of secure storage a TEE has.
files() {
    find "/var/lib/tee/$1" -type f | wc -l
}

# Short: of longer data the tool asks for the signature's length before it takes the signature, and OP-TEE's application
# of the tokens (4.10) ends the hash at the first of the two.
head -c 900 /dev/urandom >data
(cat data; echo more) >altered
before=$(files "$tee")
works "a token is made" --slot-index 0 --init-token --label bulkhead --so-pin 12345678
works "its user gets a PIN" --token-label bulkhead --init-pin --login --login-type so --so-pin 12345678 --pin 87654321
user="--token-label bulkhead --login --pin 87654321"
# $user is split on purpose.
works "a pair of keys is made" $user --keypairgen --key-type EC:prime256v1 --label key --id 01
works "data is signed" $user --sign --mechanism ECDSA-SHA256 --id 01 --input-file data --output-file signature
works "the signature is verified" $user --verify --mechanism ECDSA-SHA256 --id 01 --input-file data --signature-file signature
why=$(tool $user --verify --mechanism ECDSA-SHA256 --id 01 --input-file altered --signature-file signature)
case $why in
*"Invalid signature"*) result tokens "$tee" "of altered data it is refused" true 0 ;;
*) result tokens "$tee" "of altered data it is refused" false 0 "$why" ;;
esac
why=$(tool --token-label bulkhead --list-objects)
case $why in
*key*) result tokens "$tee" "the public key is listed" true 0 ;;
*) result tokens "$tee" "the public key is listed" false 0 "$why" ;;
esac
TEE=$other
why=$(tool --list-token-slots)
TEE=
case $why in
*bulkhead*) result tokens "$other" "the other TEE does not have the token" false 0 "$why" ;;
*Slot*) result tokens "$other" "the other TEE does not have the token" true 0 ;;
*) result tokens "$other" "the other TEE does not have the token" false 0 "no slots: $why" ;;
esac
result tokens "$tee" "the token is in the storage of its TEE" "$([ "$(files "$tee")" -gt "$before" ] && echo true || echo false)" 0 \
    "$before files before and $(files "$tee") after"
