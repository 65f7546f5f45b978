# A PKCS#11 tool from a package keeps keys in each OP-TEE: first in the one in which the table places the application of
# the tokens, for it names no TEE, and then in each other, by name. None has the tokens of another.
. /usr/lib/bulkhead/common.sh

MODULE=/usr/lib/aarch64-linux-gnu/libckteec.so.0
TOKENS=fd02c9da-306c-48c7-a49c-bbd827ae86ee
placed=$(awk -v uuid=$TOKENS '/^name/ { gsub("\"", "", $3); name = $3 } index($0, uuid) { print name }' /etc/bulkhead/tees.toml)
others=$(awk -v name="$placed" '$3 == "optee" && $4 != "-" && $1 != name { print $1 }' $TEES)
mkdir -p /run/bulkhead/tokens
cd /run/bulkhead/tokens || exit

# tool ARGUMENTS...: the tool with the module of the tokens. It loads modules with RTLD_DEEPBIND, which goes around what is
# preloaded: for it, the drop-in stands in libteec's place. With TEE set, the tool is asked about that TEE.
tool() {
    BULKHEAD_TEE=$TEE LD_LIBRARY_PATH=/usr/lib/bulkhead/route timeout 120 pkcs11-tool --module $MODULE "$@" 2>&1 </dev/null
}

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

# says NAME TEXT ARGUMENTS...: what the tool says must have the text in it.
says() {
    local name=$1 text=$2 start why
    shift 2
    start=$(now)
    why=$(tool "$@")
    case $why in
    *"$text"*) result tokens "$tee" "$name" true $(($(now) - start)) ;;
    *) result tokens "$tee" "$name" false $(($(now) - start)) "$why" ;;
    esac
}

# lacks TOKEN: the tool must list slots, and in none of them this token.
lacks() {
    local start why
    start=$(now)
    why=$(tool --list-token-slots)
    case $why in
    *"$1"*) result tokens "$tee" "it does not have $1" false $(($(now) - start)) "$why" ;;
    *Slot*) result tokens "$tee" "it does not have $1" true $(($(now) - start)) ;;
    *) result tokens "$tee" "it does not have $1" false $(($(now) - start)) "no slots: $why" ;;
    esac
}

# files TEE: how many files of secure storage a TEE has.
files() {
    find "/var/lib/tee/$1" -type f | wc -l
}

# keys: makes a token with keys at $tee, and uses them.
keys() {
    local token="token-of-$tee" user before
    before=$(files "$tee")
    works "a token is made" --slot-index 0 --init-token --label "$token" --so-pin 12345678
    works "its user gets a PIN" --token-label "$token" --init-pin --login --login-type so --so-pin 12345678 --pin 87654321
    user="--token-label $token --login --pin 87654321"
    # $user is split on purpose.
    works "a pair of keys is made" $user --keypairgen --key-type EC:prime256v1 --label key --id 01
    works "data is signed" $user --sign --mechanism ECDSA-SHA256 --id 01 --input-file data --output-file "signature.$tee"
    works "the signature is verified" $user --verify --mechanism ECDSA-SHA256 --id 01 --input-file data \
        --signature-file "signature.$tee"
    says "of altered data it is refused" "Invalid signature" $user --verify --mechanism ECDSA-SHA256 --id 01 \
        --input-file altered --signature-file "signature.$tee"
    says "the public key is listed" key --token-label "$token" --list-objects
    result tokens "$tee" "the token is in the storage of its TEE" "$([ "$(files "$tee")" -gt "$before" ] && echo true || echo false)" 0 \
        "$before files before and $(files "$tee") after"
}

# Short: of longer data the tool asks for the signature's length before it takes the signature, and OP-TEE's application
# of the tokens (4.10) ends the hash at the first of the two.
head -c 900 /dev/urandom >data
(cat data; echo more) >altered
tee=$placed
TEE=
keys
for tee in $others; do
    TEE=$tee
    lacks "token-of-$placed"
    keys
    # The key of another TEE's token made this signature.
    says "what $placed signed is refused" "Invalid signature" --token-label "token-of-$tee" --login --pin 87654321 --verify \
        --mechanism ECDSA-SHA256 --id 01 --input-file data --signature-file "signature.$placed"
done
tee=$placed
TEE=$placed
for other in $others; do lacks "token-of-$other"; done
