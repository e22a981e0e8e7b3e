#!/usr/bin/env bash
# Owns the order of the whole test run (`make test`): what is run, with which broker, for how long at most, and the table
# at the end that says what passed. Leaves out the tests themselves (cargo's, and the rules' own) and the broker
# (kafka.sh). A failed step doesn't stop the later ones that don't need it.
#
# KAFKA_BOOTSTRAP, KAFKA_HOME: see kafka.sh. JINGYOU_TEST_MINUTES (85): limit of the whole run.
# CI=true: a run without a real Kafka fails. Exit: 0 all passed, 1 not, 130/143 interrupted.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd -- "$here/../.." && pwd -P)
cd "$root"
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}

readonly minutes_max=${JINGYOU_TEST_MINUTES:-85}
readonly deadline=$((SECONDS + minutes_max * 60))
readonly kill_after_secs=60 # for a step past its time to take its broker down
readonly jingyou=${CARGO_TARGET_DIR:-target}/debug/jingyou

# ── steps: one function each ────────────────────────────────────────────────────────────────────────────────────────

setup() { limited "$here/setup.sh" test; }
format() { limited cargo fmt --all --check; }
lint() { limited cargo clippy --locked --all-targets -- -D warnings; }
build() { limited cargo build --locked && limited cargo test --locked --no-run; }
mock() { limited env -u KAFKA_BOOTSTRAP -u JINGYOU_KAFKA_SH -u JINGYOU_KAFKA_NAME cargo test --locked --no-fail-fast; }
rules_check() { limited "$jingyou" rules check rules; }
rules_test() { limited "$jingyou" rules test rules; }
kafka_get() { limited "$here/kafka.sh" fetch >"$scratch/kafka"; }
kafka_suite() { limited "$here/kafka.sh" with cargo test --locked --test kafka; }

main() {
  step setup "系统包与工具链 / packages and toolchain" 3
  local built='' kafka=''
  scratch=$(mktemp -d)
  if passed setup; then
    step format "代码格式 / formatting"
    step lint "静态检查 / clippy"
    step build "编译测试 / building the tests"
    ! passed build || built=1
  fi
  if [[ $built ]]; then
    step mock "单元与集成测试（模拟集群） / unit and integration tests (mock cluster)"
    step rules_check "规则检查 / rules check"
    step rules_test "规则自带测试 / the rules' own tests"
    step kafka_get "获取真实 Kafka / getting a real Kafka" 3
    if [[ ${codes[kafka_get]} == 0 ]]; then
      kafka=$(<"$scratch/kafka")
      echo "$kafka"
      step kafka_suite "真实 Kafka 测试 / the Kafka tests on a real broker"
    fi
  fi
  summary
  if [[ $built && -z $kafka ]]; then
    echo "没有真实的 Kafka：Kafka 测试只在模拟集群上运行过。 / No real Kafka: its tests ran on the mock cluster only."
    [[ ${CI:-} != true ]] || fail "CI=true 时必须有真实的 Kafka / with CI=true a real Kafka is required"
  fi
  ((failures == 0)) || fail "未通过 / not passed: $failures"
  if [[ $kafka ]]; then
    echo "全部通过 / all passed (real Kafka: $kafka)"
  else
    echo "其余全部通过 / all the rest passed"
  fi
}

# ── running and reporting ───────────────────────────────────────────────────────────────────────────────────────────

declare -A codes=() seconds=() titles=() tolerated=()
order=()
failures=0
child=
scratch=

# Runs the command in the time that is left, in the background so that an interrupt is acted on at once. `timeout` gives
# it a process group of its own and hands the signal on to all of it.
limited() {
  local left=$((deadline - SECONDS)) code=0
  if ((left <= 0)); then
    echo "已到时限 / out of time: $minutes_max min" >&2
    return 124
  fi
  timeout -k "$kill_after_secs" "$left" "$@" &
  child=$!
  wait "$child" || code=$?
  child=
  return "$code"
}

# step FUNCTION TITLE [CODE]: runs one step and notes its outcome; exit code CODE means not to be had, which is no failure.
step() {
  local name=$1 code=0 start=$SECONDS
  printf '\n── %s: %s\n' "$name" "$2"
  order+=("$name")
  titles[$name]=$2 tolerated[$name]=${3:-0}
  "$name" || code=$?
  codes[$name]=$code seconds[$name]=$((SECONDS - start))
  passed "$name" || failures=$((failures + 1))
}

passed() { [[ ${codes[$1]} == 0 || ${codes[$1]} == "${tolerated[$1]}" ]]; }

summary() {
  local name outcome
  printf '\n   秒 s  结果 result       步骤 step\n'
  for name in "${order[@]}"; do
    case ${codes[$name]:-} in
      0) outcome="ok" ;;
      124) outcome="FAILED (timeout)" ;;
      '') outcome="INTERRUPTED" ;;
      *) if passed "$name"; then outcome="NOT AVAILABLE"; else outcome="FAILED (${codes[$name]})"; fi ;;
    esac
    printf '%7s  %-18s  %-12s %s\n' "${seconds[$name]:--}" "$outcome" "$name" "${titles[$name]}"
  done
  echo
}

fail() {
  echo "$1"
  exit 1
}

interrupted() {
  trap - INT TERM HUP
  if [[ $child ]]; then
    kill -s TERM "$child" 2>/dev/null || true
    wait "$child" || true
  fi
  summary
  echo "已中断 / interrupted"
  exit "$1"
}
trap 'interrupted 130' INT
trap 'interrupted 143' TERM HUP
# The broker is taken down by `with` on every way out but a SIGKILL of it; this is for that.
trap '"$here/kafka.sh" down --left; rm -rf "$scratch"' EXIT

main
