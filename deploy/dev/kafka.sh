#!/usr/bin/env bash
# Owns a real one-node Apache Kafka (KRaft) on loopback for tests, benchmarks and trying the product: gets it, starts,
# stops, kills and removes it, and shows topics. Leaves out the mock cluster (inside the Rust tests) and any Kafka for
# production use.
#
#   kafka.sh [--name NAME] up               start (or find running); prints only the bootstrap address on stdout
#   kafka.sh [--name NAME] stop             clean stop, data kept; `up` starts again on the same port
#   kafka.sh [--name NAME] kill             SIGKILL, data kept
#   kafka.sh [--name NAME] down             stop and remove the data
#   kafka.sh down --all | --left            the same for every instance, for those that a killed `with` left
#   kafka.sh [--name NAME] status | env | log
#   kafka.sh [--name NAME] with COMMAND...  up (an instance of its own), COMMAND with the variables of `env` set, down
#   kafka.sh [--name NAME] topic NAME [PARTITIONS]   create (if absent) and describe a topic
#   kafka.sh [--name NAME] tail TOPIC [N]            the last N (10) records, headers included
#   kafka.sh fetch | java                   make sure that Kafka can be had and say which; say which Java is used
#
# Where Kafka comes from, first that applies:
#   $KAFKA_BOOTSTRAP  a running broker (plaintext listener), used as it is, never stopped
#   $KAFKA_HOME       an unpacked Kafka distribution
#   Maven             kafka-pom.xml, copied once into ${XDG_CACHE_HOME:-~/.cache}/jingyou/kafka-VERSION
# Other variables: JINGYOU_KAFKA_NAME (default of --name: dev), JINGYOU_DEV_DIR (state; default target/dev),
# JINGYOU_KAFKA_UP_SECS (120), JINGYOU_KAFKA_FETCH_SECS (900), KAFKA_HEAP_OPTS (-Xms256m -Xmx768m).
# Exit: 0 done, 1 failed or (status, env) not running, 2 wrong usage, 3 no Kafka to be had, 4 not this script's broker.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd -- "$here/../.." && pwd -P)
dev=${JINGYOU_DEV_DIR:-$root/target/dev}
[[ $dev == /* ]] || dev=$PWD/$dev

readonly up_secs=${JINGYOU_KAFKA_UP_SECS:-120}
readonly fetch_secs=${JINGYOU_KAFKA_FETCH_SECS:-900}
readonly stop_secs=30             # a clean stop takes 1–3 s; past this the process is killed
readonly lock_secs=$((up_secs + stop_secs + 60))
readonly ports_first=20000 ports_last=31999  # below the ephemeral range, so that no client takes a stopped broker's port
readonly port_tries_max=5
readonly java_major_min=17
readonly maven_plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1

say() { printf '%s\n' "$*" >&2; }
die() { local code=$1; shift; say "kafka.sh: $*"; exit "$code"; }
usage() { sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2; }

# ── where Kafka comes from ──────────────────────────────────────────────────────────────────────────────────────────

# The first Java of at least version 17: $JAVA_HOME, the path, then what the distribution installed beside its default.
find_java() {
  local java major
  for java in "${JAVA_HOME:+$JAVA_HOME/bin/java}" "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
    [[ -n $java && -x $java ]] || continue
    major=$("$java" -version 2>&1 | sed -nE 's/.* version "([0-9]+).*/\1/p')
    if [[ $major =~ ^[0-9]+$ ]] && ((major >= java_major_min)); then
      printf '%s\n' "$java"
      return
    fi
  done
  return 1
}

kafka_version() { sed -nE 's/.*<kafka.version>(.*)<\/kafka.version>.*/\1/p' "$here/kafka-pom.xml"; }

# Sets `java`, `source` (home or maven) and `classpath`; exits 3, naming what was tried, when there is no way.
distribution() {
  local tried=() cache
  tried+=("KAFKA_BOOTSTRAP: 未设置 / not set")
  java=$(find_java) || java=
  if [[ -z $java ]]; then
    tried+=("Java $java_major_min+: 未找到 / not found (JAVA_HOME, PATH, /usr/lib/jvm)")
  fi
  if [[ -z ${KAFKA_HOME:-} ]]; then
    tried+=("KAFKA_HOME: 未设置 / not set")
  elif ! compgen -G "$KAFKA_HOME/libs/kafka_2.*.jar" >/dev/null; then
    tried+=("KAFKA_HOME=$KAFKA_HOME: 没有 libs/kafka_2.*.jar / no libs/kafka_2.*.jar")
  elif [[ -n $java ]]; then
    source=home
    classpath="$KAFKA_HOME/libs/*"
    return
  fi
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/jingyou/kafka-$(kafka_version)
  if [[ -n $java ]] && maven_copy "$cache"; then
    source=maven
    classpath="$cache/lib/*"
    return
  fi
  [[ -n ${maven_error:-} ]] && tried+=("Maven: $maven_error")
  say "kafka.sh: 没有可用的 Kafka，已尝试： / no Kafka to be had; tried:"
  printf '  - %s\n' "${tried[@]}" >&2
  say "  安装 Java 与 Maven / to install Java and Maven: deploy/dev/setup.sh test"
  exit 3
}

# Fills the cache folder $1 unless it was filled from the same pom before; whole or not at all. No network if filled.
maven_copy() {
  local cache=$1 part log
  cached() { cmp -s "$here/kafka-pom.xml" "$cache/pom.xml"; }
  cached && return
  command -v mvn >/dev/null || { maven_error="mvn 未安装 / mvn is not installed"; return 1; }
  mkdir -p "$(dirname "$cache")"
  exec 8>"$cache.lock"
  flock -w "$fetch_secs" 8 || { maven_error="另一个下载仍在进行 / another fetch is still under way"; return 1; }
  if ! cached; then
    say "kafka.sh: 正在用 Maven 获取 Kafka $(kafka_version)（仅第一次）… / fetching with Maven, the first time only…"
    part=$cache.part log=$cache.log
    rm -rf "$part"
    mkdir -p "$part"
    cp "$here/kafka-pom.xml" "$part/pom.xml"
    if ! timeout "$fetch_secs" mvn -B -q -C -f "$part/pom.xml" "$maven_plugin:copy-dependencies" \
      -DincludeScope=runtime -DoutputDirectory="$part/lib" >"$log" 2>&1 </dev/null; then
      maven_error="获取失败 / fetch failed: $(grep -m1 -o 'ERROR.*' "$log" | cut -c1-240 || true)… ($log)"
      exec 8>&-
      return 1
    fi
    rm -rf "$cache"
    mv "$part" "$cache"
  fi
  exec 8>&-
}

# Says which Kafka `up` will use, having made sure that it can be had.
fetch() {
  if external; then
    echo "KAFKA_BOOTSTRAP=$KAFKA_BOOTSTRAP"
    return
  fi
  distribution
  if [[ $source == home ]]; then echo "KAFKA_HOME=$KAFKA_HOME"; else echo "Apache Kafka $(kafka_version)"; fi
}

# Runs one of Kafka's own command-line tools against $bootstrap: tool SCRIPT CLASS ARGUMENTS...
tool() {
  local script=$1 class=$2
  shift 2
  if [[ $source == home ]]; then
    JAVA_HOME=${java%/bin/java} KAFKA_HEAP_OPTS=-Xmx256m "$KAFKA_HOME/bin/$script" --bootstrap-server "$bootstrap" "$@"
  else
    "$java" -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djingyou.kafka.level=error \
      -Dlog4j2.configurationFile="$here/kafka-log4j2.properties" -cp "$classpath" \
      "$class" --bootstrap-server "$bootstrap" "$@"
  fi
}

# ── one instance ────────────────────────────────────────────────────────────────────────────────────────────────────

# True if something listens on loopback port $1.
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Sends the request bytes $2 (printf escapes) to host:port $1 and prints the first $3 bytes of the answer in hex.
ask() {
  # shellcheck disable=SC2016  # expanded by the inner shell
  timeout 5 bash -c '
    exec 3<>"/dev/tcp/${1%:*}/${1##*:}" && printf "$2" >&3 && head -c "$3" <&3 | od -An -v -tx1 | tr -d " \n"
  ' ask "$1" "$2" "$3" 2>/dev/null
}

# True once one of the comma-separated brokers $1 speaks Kafka and its metadata list at least one live broker:
# Metadata v1 for no topics, correlation id 2; the answer is size, correlation id, number of brokers.
answers() {
  local address reply
  for address in ${1//,/ }; do
    reply=$(ask "$address" '\0\0\0\016\0\003\0\001\0\0\0\002\377\377\0\0\0\0' 12) || continue
    [[ ${#reply} == 24 && ${reply:8:8} == 00000002 && ${reply:16:8} != 00000000 ]] && return
  done
  return 1
}

# The running process of the instance, or nothing: the pid file counts only if that process names this state folder.
running_pid() {
  local pid words
  pid=$(cat "$dir/pid" 2>/dev/null) && [[ -n $pid ]] || return 1
  mapfile -d '' -t words 2>/dev/null <"/proc/$pid/cmdline" || return 1
  [[ " ${words[*]} " == *" -Djingyou.kafka.dir=$dir "* ]] || return 1
  printf '%s\n' "$pid"
}

# One command at a time for an instance. `down` removes the lock's file, so who waited for it looks again.
lock() {
  mkdir -p "$dir"
  while :; do
    exec 9>"$dir.lock"
    flock -w "$lock_secs" 9 || die 1 "实例 $name 正被另一条命令占用 / instance $name is held by another command"
    [[ /dev/fd/9 -ef $dir.lock ]] && break
  done
  mkdir -p "$dir"
}

# A random free port that no other instance, running or stopped, has for its own.
pick_port() {
  local port
  for _ in {1..200}; do
    port=$((ports_first + (RANDOM * 32768 + RANDOM) % (ports_last - ports_first + 1)))
    listening "$port" && continue
    grep -qsw "$port" "$dev"/kafka/*/ports && continue
    printf '%s\n' "$port"
    return
  done
  die 1 "没有空闲端口 / no free port in $ports_first–$ports_last"
}

write_properties() {
  local port=$1 controller=$2
  cat >"$dir/server.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$dir/data

# One node: every internal topic has one replica. Few partitions, so that start and recovery are quick.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

# A 10 MB record must pass; consumer groups must not wait for members that aren't coming.
message.max.bytes=16777216
replica.fetch.max.bytes=16777216
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=true
num.partitions=1

# Generated waybills carry times far from now: nothing is refused or dropped for its timestamp.
log.retention.ms=-1
log.message.timestamp.before.max.ms=9223372036854775807
log.message.timestamp.after.max.ms=9223372036854775807

# Small machine.
num.network.threads=2
num.io.threads=4
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=16777216
log.index.size.max.bytes=1048576
# After a kill the controller refuses the broker's return until its old session is over.
broker.session.timeout.ms=6000
broker.heartbeat.interval.ms=1000
EOF
}

# Makes the storage of a new instance: ports, properties, a formatted log folder.
create() {
  local port controller id
  rm -rf "${dir:?}/data"
  port=$(pick_port)
  controller=$port
  while [[ $controller == "$port" ]]; do controller=$(pick_port); done
  printf '%s %s\n' "$port" "$controller" >"$dir/ports"
  write_properties "$port" "$controller"
  id=J$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c2-22)
  "$java" -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djingyou.kafka.level=error \
    -Dlog4j2.configurationFile="$here/kafka-log4j2.properties" -cp "$classpath" \
    kafka.tools.StorageTool format -t "$id" -c "$dir/server.properties" >"$dir/format.log" 2>&1 9>&- \
    || { cat "$dir/format.log" >&2; die 1 "格式化存储失败 / formatting the storage failed"; }
}

# Starts the process and waits until it answers; 1 if it died or the time is up.
launch() {
  local pid heap
  read -ra heap <<<"${KAFKA_HEAP_OPTS:--Xms256m -Xmx768m}"
  local options=(-Djingyou.kafka.dir="$dir" -Dkafka.logs.dir="$dir" -XX:+ExitOnOutOfMemoryError
    -Djava.awt.headless=true -Dlog4j2.configurationFile="$here/kafka-log4j2.properties")
  # Kafka 3.x distributions log by log4j 1.
  [[ $source == home && -f $KAFKA_HOME/config/log4j.properties ]] \
    && options+=(-Dlog4j.configuration="file:$KAFKA_HOME/config/log4j.properties")
  mv -f "$dir/kafka.log" "$dir/kafka.log.1" 2>/dev/null || true
  setsid "$java" "${heap[@]}" "${options[@]}" -cp "$classpath" kafka.Kafka "$dir/server.properties" \
    </dev/null >"$dir/kafka.log" 2>&1 8>&- 9>&- &
  pid=$!
  printf '%s\n' "$pid" >"$dir/pid"
  local end=$((SECONDS + up_secs))
  until answers "$bootstrap"; do
    kill -0 "$pid" 2>/dev/null || return 1
    ((SECONDS < end)) || return 1
    sleep 0.2
  done
}

up() {
  if external; then
    answers "$KAFKA_BOOTSTRAP" || die 1 "KAFKA_BOOTSTRAP=$KAFKA_BOOTSTRAP 没有应答 / does not answer"
    printf '%s\n' "$KAFKA_BOOTSTRAP"
    return
  fi
  lock
  if running_pid >/dev/null && answers "$bootstrap"; then
    printf '%s\n' "$bootstrap"
    return
  fi
  distribution
  end_process KILL 0 # one that runs but doesn't answer
  local try=1 kept=
  [[ -f $dir/data/meta.properties && -f $dir/ports ]] && kept=1
  while :; do
    [[ -n $kept ]] || create
    read_bootstrap
    say "kafka.sh: 启动 Kafka / starting Kafka: $name, $bootstrap, $source"
    launch && break
    end_process KILL 0
    if [[ -z $kept ]] && ((try++ < port_tries_max)) && grep -q 'Address already in use' "$dir/kafka.log"; then
      continue
    fi
    tail -n 30 "$dir/kafka.log" >&2
    die 1 "$name 未能启动（限 $up_secs 秒） / did not come up (limit $up_secs s): $dir/kafka.log"
  done
  printf '%s\n' "$bootstrap"
}

# Ends the process with signal $1, waiting $2 seconds before it is killed. Nothing to do is fine.
end_process() {
  local pid end
  if pid=$(running_pid); then
    kill -s "$1" "$pid" 2>/dev/null || true
    end=$((SECONDS + $2))
    while running_pid >/dev/null; do
      ((SECONDS < end)) || kill -s KILL "$pid" 2>/dev/null || true
      sleep 0.1
    done
  fi
  rm -f "$dir/pid"
}

stop() { own; [[ -d $dir ]] || return 0; lock; end_process TERM "$stop_secs"; }
kill_now() { own; [[ -d $dir ]] || return 0; lock; end_process KILL 0; }

# Nothing of it is worth keeping, so no clean stop is waited for.
down() {
  if external; then
    say "kafka.sh: KAFKA_BOOTSTRAP 由外部提供，不动它 / given from outside, left alone"
    return
  fi
  [[ -d $dir ]] || return 0
  lock
  end_process KILL 0
  rm -rf "${dir:?}"
  rm -f "$dir.lock"
}

take_down() { KAFKA_BOOTSTRAP='' "$here/kafka.sh" --name "$1" down; }

down_all() {
  local each
  for each in "$dev"/kafka/*/; do
    [[ ! -d $each ]] || take_down "$(basename "$each")"
  done
}

# Takes down the brokers of `with` that were left because it was killed with SIGKILL.
sweep() {
  local each pid
  for each in "$dev"/kafka/with-*/; do
    pid=${each%/} pid=${pid##*/with-}
    [[ ! -d $each || -d /proc/$pid ]] || take_down "with-$pid"
  done
}

# `down` on every way out, unless the instance was there before. The broker's log is kept when the command failed.
with() {
  (($#)) || usage
  local code=0
  if external; then
    up >/dev/null
    exec env -u JINGYOU_KAFKA_SH -u JINGYOU_KAFKA_NAME "$@"
  fi
  sweep
  [[ -d $dir ]] || trap down EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  (up) >/dev/null || exit
  read_bootstrap
  KAFKA_BOOTSTRAP=$bootstrap JINGYOU_KAFKA_SH=$here/kafka.sh JINGYOU_KAFKA_NAME=$name JINGYOU_DEV_DIR=$dev "$@" \
    || code=$?
  if ((code)) && [[ -f $dir/kafka.log ]]; then
    cp "$dir/kafka.log" "$dev/kafka-last-failure.log"
    say "kafka.sh: 命令失败，代理日志存于 / the command failed; the broker's log is kept in $dev/kafka-last-failure.log"
  fi
  exit "$code"
}

status() {
  if external; then
    answers "$KAFKA_BOOTSTRAP" || { echo "unreachable $KAFKA_BOOTSTRAP (KAFKA_BOOTSTRAP)"; return 1; }
    echo "running $KAFKA_BOOTSTRAP (KAFKA_BOOTSTRAP)"
  elif ! running_pid >/dev/null; then
    [[ -f $dir/data/meta.properties ]] && echo "stopped $bootstrap, data in $dir" || echo "none"
    return 1
  elif answers "$bootstrap"; then
    echo "running $bootstrap, pid $(running_pid), state in $dir"
  else
    echo "not answering $bootstrap, pid $(running_pid), log in $dir/kafka.log"
    return 1
  fi
}

environment() {
  status >/dev/null || die 1 "$name 没有运行 / is not running: kafka.sh --name $name up"
  if external; then
    printf 'export KAFKA_BOOTSTRAP=%q\n' "$KAFKA_BOOTSTRAP"
  else
    printf 'export KAFKA_BOOTSTRAP=%q JINGYOU_KAFKA_SH=%q JINGYOU_KAFKA_NAME=%q JINGYOU_DEV_DIR=%q\n' \
      "$bootstrap" "$here/kafka.sh" "$name" "$dev"
  fi
}

# ── topics ──────────────────────────────────────────────────────────────────────────────────────────────────────────

connect() {
  status >/dev/null || die 1 "$name 没有运行 / is not running: kafka.sh --name $name up"
  external && bootstrap=$KAFKA_BOOTSTRAP
  distribution
}

topic() {
  [[ ${1:-} && ${2:-1} =~ ^[0-9]+$ ]] || usage
  connect
  local topics=(tool kafka-topics.sh org.apache.kafka.tools.TopicCommand)
  "${topics[@]}" --create --if-not-exists --topic "$1" --partitions "${2:-1}" >/dev/null
  "${topics[@]}" --describe --topic "$1"
}

# Reads the last N of every partition that has any, without a consumer group, and shows the newest N of all by time.
tail_topic() {
  local topic=${1:-} n=${2:-10} offsets=(tool kafka-get-offsets.sh org.apache.kafka.tools.GetOffsetShell)
  [[ $topic && $n =~ ^[0-9]+$ ]] || usage
  connect
  local first last partition from to
  first=$("${offsets[@]}" --topic "$topic" --time earliest)
  last=$("${offsets[@]}" --topic "$topic" --time latest)
  join -t: -j2 <(sort -t: -k2,2 <<<"$first") <(sort -t: -k2,2 <<<"$last") \
    | while IFS=: read -r partition _ from _ to; do
      ((to > from)) || continue
      ((to - from > n)) && from=$((to - n))
      tool kafka-console-consumer.sh org.apache.kafka.tools.consumer.ConsoleConsumer --topic "$topic" \
        --partition "$partition" --offset "$from" --max-messages $((to - from)) --timeout-ms 5000 \
        --property print.timestamp=true --property print.partition=true --property print.offset=true \
        --property print.headers=true --property print.key=true </dev/null 2>"$dev/kafka/tail.log" \
        || { cat "$dev/kafka/tail.log" >&2; exit 1; }
    done | LC_ALL=C sort -s -t: -k2,2n | tail -n "$n"
}

# ── command line ────────────────────────────────────────────────────────────────────────────────────────────────────

# True if KAFKA_BOOTSTRAP names a broker that is none of this script's own.
external() {
  [[ -n ${KAFKA_BOOTSTRAP:-} ]] || return 1
  ! grep -qs "^${KAFKA_BOOTSTRAP#127.0.0.1:} " "$dev"/kafka/*/ports
}
own() { external && die 4 "KAFKA_BOOTSTRAP=$KAFKA_BOOTSTRAP 不是本脚本启动的 / was not started by this script"; return 0; }
read_bootstrap() {
  local port=
  [[ -f $dir/ports ]] && read -r port _ <"$dir/ports"
  bootstrap=${port:+127.0.0.1:$port}
}

name=
while [[ ${1:-} == --* ]]; do
  case $1 in
    --name) name=${2:-}; shift 2 || usage ;;
    *) usage ;;
  esac
done
command=${1:-}
shift || usage
if [[ -z $name && $command == with ]]; then
  name=with-$$
fi
name=${name:-${JINGYOU_KAFKA_NAME:-dev}}
[[ $name =~ ^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$ ]] || die 2 "名称不合法 / bad name: '$name'"
dir=$dev/kafka/$name
read_bootstrap

case $command in
  up) up ;;
  stop) stop ;;
  kill) kill_now ;;
  down)
    case ${1:-} in
      '') down ;;
      --all) down_all ;;
      --left) sweep ;;
      *) usage ;;
    esac
    ;;
  status) status ;;
  env) environment ;;
  log) tail -n "${1:-50}" "$dir/kafka.log" ;;
  with) with "$@" ;;
  topic) topic "$@" ;;
  tail) tail_topic "$@" ;;
  fetch) fetch ;;
  java) find_java ;;
  *) usage ;;
esac
