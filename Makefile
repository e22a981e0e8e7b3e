# Owns the short names for what people do with the project; the work itself is in deploy/dev/*.sh.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

JINGYOU := $(or $(CARGO_TARGET_DIR),target)/release/jingyou
CONFIG ?= deploy/jingyou.toml

.PHONY: help demo run test bench check release setup clean-dev

help: ## 显示本帮助 | show this help
	@echo "警邮 jingyou"
	@sed -nE 's/^([a-z-]+):.*## (.*) \| (.*)$$/  make \1\t\2 \/ \3/p' Makefile | expand -t 20
	@echo
	@echo "变量 / variables: DEMO_ARGS, RUN_ARGS, BENCH_ARGS, CONFIG ($(CONFIG)), KAFKA_BOOTSTRAP, KAFKA_HOME"

demo: release ## 编译并演示：生成、筛查、告警、案件，无需其他程序 | build and watch it work, no other program needed (DEMO_ARGS)
	$(JINGYOU) demo $(DEMO_ARGS)

run: release ## 按配置文件接入 Kafka 运行 | run against Kafka as CONFIG says (RUN_ARGS)
	$(JINGYOU) run -c $(CONFIG) $(RUN_ARGS)

test: ## 全部测试，含真实 Kafka | all tests, a real Kafka included
	@deploy/dev/test.sh

bench: ## 在真实 Kafka 上跑性能阶梯 | the performance ladder, on a real Kafka (BENCH_ARGS)
	@deploy/dev/setup.sh test
	cargo bench --locked --bench ladder --no-run
	deploy/dev/kafka.sh with cargo bench --locked --bench ladder -- $(BENCH_ARGS)

check: setup ## 只查格式与 clippy | formatting and clippy only
	cargo fmt --all --check
	cargo clippy --locked --all-targets -- -D warnings

release: setup ## 编译发布版 | build the release binary
	cargo build --release --locked

setup: ## 装好编译所需的系统包 | install what the build needs
	@deploy/dev/setup.sh

clean-dev: ## 停掉并删除开发用的 Kafka | take down and remove development brokers
	deploy/dev/kafka.sh down --all
	rm -rf target/dev
