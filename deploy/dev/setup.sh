#!/usr/bin/env bash
# Owns what must be on a Debian or Ubuntu machine before the project builds (`setup.sh`) and before its whole test suite
# runs (`setup.sh test`: Java and Maven for a real Kafka as well). Looks for what is missing and does nothing if nothing
# is. As root it installs with apt-get; otherwise it says what to install. Leaves out fetching Kafka itself (kafka.sh)
# and installing Rust, of which it only adds the toolchain that rust-toolchain.toml names.
#
# Exit: 0 all there, 1 something needed to build is missing, 2 wrong usage, 3 only Java or Maven is missing.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd -- "$here/../.." && pwd -P)
cd "$root"
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin

say() { printf '%s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# ── Rust ────────────────────────────────────────────────────────────────────────────────────────────────────────────

check_rust() {
  local want version
  want=$(sed -nE 's/^channel *= *"([^"]+)".*/\1/p' rust-toolchain.toml)
  if ! have cargo; then
    say "未找到 cargo：请先安装 Rust $want（建议用 rustup），再试一次。"
    say "cargo not found: install Rust $want first (rustup is best), then try again."
    return 1
  fi
  if rust_ready "$want"; then
    return
  fi
  if have rustup; then
    say "安装 Rust 工具链 / installing the Rust toolchain: $want"
    rustup toolchain install "$want" --profile minimal --component rustfmt --component clippy >&2 || true
    if rust_ready "$want"; then
      return
    fi
    say "Rust 工具链 $want 无法安装，请手动执行： / the Rust toolchain $want could not be installed; run:"
    say "  rustup toolchain install $want --profile minimal --component rustfmt --component clippy"
    return 1
  fi
  version=$(rustc --version 2>/dev/null || echo none)
  say "需要 Rust $want（现为 $version），且没有 rustup 可装： / Rust $want is needed (found: $version), and there is no rustup:"
  say "  用 rustup 安装 Rust，或把该版本（含 rustfmt、clippy）放在 PATH 最前"
  say "  install Rust by rustup, or put that version (with rustfmt and clippy) first in PATH"
  return 1
}

# True if the Rust that cargo runs here is version $1 or, without rustup, a later one, with what the goal needs.
rust_ready() {
  local version each
  version=$(RUSTUP_AUTO_INSTALL=0 rustc --version 2>/dev/null) || return 1
  version=${version#rustc } version=${version%% *}
  if have rustup; then
    [[ $version == "$1" ]] || return 1
  else
    [[ $(printf '%s\n' "$1" "$version" | sort -V | head -n 1) == "$1" ]] || return 1
  fi
  [[ $goal == test ]] || return 0
  for each in fmt clippy; do
    RUSTUP_AUTO_INSTALL=0 cargo "$each" --version >/dev/null 2>&1 || return 1
  done
}

# ── system packages ─────────────────────────────────────────────────────────────────────────────────────────────────

# What librdkafka, OpenSSL's and zlib's bindings and zstd build with. (Their configure script is bash; Python, curl and
# Perl are not needed with the features that Cargo.toml asks for.)
missing_to_build() {
  have gcc || echo gcc
  have g++ || echo g++
  have make || echo make
  have pkg-config || echo pkg-config
  library openssl libssl-dev
  library zlib zlib1g-dev
  [[ -s /etc/ssl/certs/ca-certificates.crt || -s /etc/pki/tls/certs/ca-bundle.crt || -s /etc/ssl/cert.pem ]] \
    || echo ca-certificates
}

# Names package $2 unless pkg-config (or, before it is there, dpkg) knows the library $1.
library() {
  if have pkg-config; then
    pkg-config --exists "$1" || echo "$2"
  else
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$2" 2>/dev/null) == installed ]] || echo "$2"
  fi
}

# A broker that runs already needs neither Java nor Maven, an unpacked distribution only Java.
missing_to_test() {
  [[ -z ${KAFKA_BOOTSTRAP:-} ]] || return 0
  "$here/kafka.sh" java >/dev/null || echo java
  [[ -n ${KAFKA_HOME:-} ]] || have mvn || echo maven
}

# The first package with Java 17 or later that the distribution has.
java_package() {
  local each
  for each in openjdk-17-jre-headless openjdk-21-jre-headless openjdk-25-jre-headless; do
    if [[ $(apt-cache policy "$each" 2>/dev/null) == *'Candidate: '[0-9]* ]]; then
      echo "$each"
      return
    fi
  done
  echo default-jre-headless
}

apt() { DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@" >&2 </dev/null; }

# Installs what is missing of the kind $1 (build or test), or says what is.
provide() {
  local missing packages
  missing=$("missing_to_$1")
  [[ -n $missing ]] || return 0
  if ! have apt-get; then
    say "缺少（按 Debian 的包名）： / missing (by Debian's package names): ${missing//$'\n'/ }"
    return 1
  fi
  if [[ $(id -u) != 0 ]]; then
    packages=$(named "$missing")
    say "缺少系统包： / missing system packages: $packages"
    say "  sudo apt-get update && sudo apt-get install -y --no-install-recommends $packages"
    return 1
  fi
  [[ -n $updated ]] || apt update || true
  updated=1
  packages=$(named "$missing")
  say "安装系统包 / installing system packages: $packages"
  # shellcheck disable=SC2086  # a list
  apt install -y --no-install-recommends $packages || true
  missing=$("missing_to_$1")
  [[ -z $missing ]] || { say "安装后仍缺少 / still missing after the install: ${missing//$'\n'/ }"; return 1; }
}

# The package names for a list of missing things, on one line.
named() {
  local list=$1
  [[ $list != *java* ]] || list=${list/java/$(java_package)}
  printf '%s' "${list//$'\n'/ }"
}

goal=${1:-build}
[[ $# -le 1 && ($goal == build || $goal == test) ]] || { say "setup.sh [build|test]"; exit 2; }
updated='' failed=''
provide build || failed=1
check_rust || failed=1
[[ -z $failed ]] || exit 1
if [[ $goal == test ]]; then
  provide test || { say "没有真实的 Kafka 也能测其余部分 / the rest can be tested without a real Kafka"; exit 3; }
fi
