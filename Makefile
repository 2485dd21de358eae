# What a person does with Darkroom on one machine. Settings are environment variables or arguments: make run PORT=8080
.DEFAULT_GOAL := help
.PHONY: help run demo test keys chaos soak memory heavy long bench-redelivery bench-fairness bench-video bench-video-large bench-ingest bench-encoders bench-warm bench-images bench-streaming check format compose-test clean status dead redrive replay orphans backfill contact-sheet

VENV := .venv/installed.lock
DARKROOM := .venv/bin/darkroom
SELECTION = --media='$(MEDIA)' --reason='$(REASON)' --stage='$(STAGE)'

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile

run: $(VENV) ## Run everything here (PORT=8000 RUN_DIR=.run RECORDS=sqlite|dynamodb); Ctrl-C ends it
	@exec $(DARKROOM) run

demo: $(VENV) ## Send a photo and a video through (FILES="a.jpg b.mov"); starts the stack if it is not up
	@exec $(DARKROOM) demo $(FILES)

contact-sheet: $(VENV) ## Show what becomes of files on one page, without a stack (FILES="a.jpg b.gif")
	@exec $(DARKROOM) contact-sheet $(FILES)

test: $(VENV) ## Run the tests on real servers (ARGS="tests/unit -k name")
	@exec .venv/bin/pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder $(ARGS)

chaos: $(VENV) ## Kill a process at every point of every life of a media, over every store (CRASH_SEED=3)
	@exec env CRASH_POINTS=all .venv/bin/pytest tests/chaos/test_crashpoints.py tests/chaos/test_sweeper_crashes.py $(ARGS)

soak: $(VENV) ## Strike at everything under load, then check every upload (MINUTES=10 SEED=s RECORDS=sqlite|dynamodb)
	@exec .venv/bin/python -m tests.chaos.soak --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED)) $(if $(RECORDS),--records $(RECORDS))

memory: $(VENV) ## Send many photos through one worker and see that it does not grow (PHOTOS=1000)
	@exec env PHOTOS=$(or $(PHOTOS),1000) .venv/bin/pytest tests/e2e/test_worker_memory.py $(ARGS)

heavy: $(VENV) ## Send files of many GB through every door (HEAVY_GB=6)
	@exec env HEAVY_GB='$(or $(HEAVY_GB),6)' .venv/bin/pytest -p no:xdist tests/heavy/test_large_files.py $(ARGS)

long: $(VENV) ## Send a film of hours through two workers and see that all of it comes out, in little disk (HOURS=2)
	@exec env HOURS='$(or $(HOURS),2)' .venv/bin/pytest -p no:xdist tests/heavy/test_long_films.py $(ARGS)

bench-redelivery: $(VENV) ## Measure how soon killed work is taken up and forgotten hints are given again (ARGS="--kills 20")
	@exec .venv/bin/python -m benchmarks.redelivery $(ARGS)

bench-fairness: $(VENV) ## Measure how long photos take while video chunks wait (ARGS="--photos 60 --chunks 60")
	@exec .venv/bin/python -m benchmarks.fairness $(ARGS)

bench-ingest: $(VENV) ## Measure uploads beside multer-s3, tus and FastAPI (ARGS="--parts sink --rounds 3 --scale 0.1")
	@exec .venv/bin/python -m benchmarks.ingest $(ARGS)

bench-encoders: $(VENV) ## Measure what the encoders' settings cost (FILES="a.jpg b.jpg")
	@exec .venv/bin/python -m benchmarks.encoders $(FILES) $(ARGS)

bench-warm: $(VENV) ## Measure what a warm child costs over the bare function (ARGS="--times 50 --file a.jpg")
	@exec .venv/bin/python -m benchmarks.warm $(ARGS)

bench-images: $(VENV) ## Measure stills beside sharp, pyvips, ImageMagick, Pillow (ARGS="--parts set latency --scale 0.1"; CORPUS_DIR)
	@exec .venv/bin/python -m benchmarks.images $(ARGS)

bench-streaming: $(VENV) ## Measure what libvips saves of a photo's stills (FILES="a.jpg b.jpg")
	@exec .venv/bin/python -m benchmarks.streaming $(FILES) $(ARGS)

bench-video: $(VENV) ## Measure what the ladder costs and how it looks, beside others (ARGS="--parts ladders workers"; CORPUS_DIR)
	@exec .venv/bin/python -m benchmarks.video $(ARGS)

bench-video-large: $(VENV) ## Measure what the ladder of a 4K film costs
	@exec .venv/bin/python -m benchmarks.video --size 3840x2160 --parts ladders $(ARGS)

check: $(VENV) ## Check style, types and the contracts between packages
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

format: $(VENV) ## Format the code
	.venv/bin/ruff format
	.venv/bin/ruff check --fix

status: $(VENV) ## Show what does not answer and what is owed (MEDIA=... shows one)
	@exec $(DARKROOM) status $(MEDIA)

dead: $(VENV) ## List the dead letters (MEDIA=... REASON=... STAGE=... ARGS=--json)
	@exec $(DARKROOM) dead $(SELECTION) $(ARGS)

redrive: $(VENV) ## Send dead letters again (MEDIA=..., REASON=... or STAGE=...; ARGS=--all)
	@exec $(DARKROOM) redrive $(SELECTION) $(ARGS)

replay: $(VENV) ## Send the webhook about a media again (MEDIA=...)
	@exec $(DARKROOM) replay '$(MEDIA)'

backfill: $(VENV) ## Make what is ready as pipeline.toml has it now (PROJECT=p SINCE=2026-11-01|7d STILL=medium DRY_RUN=1)
	@exec $(DARKROOM) backfill --project='$(PROJECT)' --since='$(SINCE)' --still='$(STILL)' $(if $(filter 1,$(DRY_RUN)),--dry-run) $(ARGS)

orphans: $(VENV) ## Print what no record names (DELETE=1: mark it, and delete what was marked before the wait)
	@exec $(DARKROOM) orphans $(if $(filter 1,$(DELETE)),--delete) $(ARGS)

keys: $(VENV) ## Make, list and revoke API keys (ARGS="create --name app --project '*'", ARGS=list, ARGS="revoke ID")
	@exec $(DARKROOM) keys $(ARGS)

compose-test: ## Build the containers and send a photo and a video through them (needs Docker)
	@exec deploy/compose-test.sh

clean: ## Remove the virtual environment, caches and RUN_DIR with all its data (not while a stack runs)
	@if $(DARKROOM) --help >/dev/null 2>&1; then $(DARKROOM) clean; else echo "RUN_DIR is left as it is"; fi
	rm -rf .venv benchmarks/peers/node_modules *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The copy of the lock inside says what is installed; the script does nothing when it is the same.
$(VENV): requirements.lock pyproject.toml ops/venv.sh
	@sh ops/venv.sh
