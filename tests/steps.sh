# How tests/run and tests/servers run a step. Both source it, in the folder of the crate.

set -m # Each step is a process group of its own, so that an interrupted step ends whole.
current="" group="" skipped=()
trap 'exit 130' INT
trap 'exit 143' TERM

# A step: what it is called, and its command. Its time goes to target/steps.
step() {
    current=$1
    printf '\n== %s\n' "$current"
    local begun=$SECONDS
    "${@:2}" </dev/null &
    group=$!
    wait "$group"
    group=""
    printf '%s s  %s\n' "$((SECONDS - begun))" "$current" >>target/steps
}

end_group() {
    [[ -n $1 ]] || return 0
    kill -- "-$1" 2>/dev/null || true
    wait "$1" || true
}
