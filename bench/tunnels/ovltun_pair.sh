# Defines ovltun_pair BACKEND, which starts ovltun in host A (10.99.0.1) and host B (10.99.0.2) of a comparison, where
# A and B are functions that run a command in that host, and sets TARGET to what A can ping through the tunnel.
ovltun_pair() {
  local dir ovltun=${OVLTUN:-dist/ovltun}
  dir=$(mktemp -d)
  A "$ovltun" up --plain --name a --network 10.42.0.0/16 --backend "$1" --state-dir "$dir/a" --run-dir "$dir/a/run" \
    --log-level warn >"$dir/a.log" 2>&1 &
  B "$ovltun" up --plain --name b --peers 10.99.0.1 --state-dir "$dir/b" --run-dir "$dir/b/run" \
    --log-level warn >"$dir/b.log" 2>&1 &
  A "$ovltun" wait --peers 1 --timeout 15s --run-dir "$dir/a/run" >/dev/null
  TARGET=$(B "$ovltun" status --json --run-dir "$dir/b/run" |
    python3 -c 'import json,sys; print(json.load(sys.stdin)["node"]["address"])')
}
