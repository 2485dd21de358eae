#!/usr/bin/env bash
# Builds the image and runs docker-compose.yml for real: three transcode workers, a photo and a video sent through,
# one worker killed while it encodes. Has a project, ports and volumes of its own and leaves none of them behind.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "compose-test: $*" >&2
  exit 1
}

python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail "$python is missing: install Python 3.11 or newer"
command -v docker >/dev/null || fail "docker is missing: install Docker Engine, https://docs.docker.com/engine/install/"
docker compose version >/dev/null 2>&1 || fail "docker has no Compose v2: install its docker-compose plugin"
docker info >/dev/null 2>&1 || fail "the Docker daemon does not answer: start it, or get access to its socket"

check() { "$python" deploy/compose_check.py "$@"; }

project=darkroom-test-$$
work=$(mktemp -d)
DARKROOM_IMAGE=darkroom:$project
PORT=$(check free-port)
S3_PORT=$(check free-port)
export DARKROOM_IMAGE PORT S3_PORT
base=http://127.0.0.1:$PORT

step() { printf '\n== %s\n' "$*"; }
compose() { docker compose --project-name "$project" "$@"; }
in_image() { docker run --rm --interactive --network none "$DARKROOM_IMAGE" "$@"; }

finish() {
  status=$?
  trap - EXIT
  if [ "$status" -ne 0 ]; then
    compose ps --all || true
    compose logs --no-color --tail 40 || true
  fi
  step "Taking everything down"
  compose down --volumes --remove-orphans --timeout 20 || true
  docker image rm --force "$DARKROOM_IMAGE" >/dev/null 2>&1 || true
  rm -rf "$work"
  [ "$status" -ne 0 ] || printf '\ncompose-test: passed\n'
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# until_true SECONDS COMMAND...: asks twice a second; false once the time is over.
until_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.5
  done
}

victim=
encoding() {
  local container
  for container in $(compose ps --quiet transcode); do
    if docker exec "$container" sh -c 'grep -qsx ffmpeg /proc/[0-9]*/comm'; then
      victim=$container
      return
    fi
  done
  return 1
}

started_at() { docker inspect --format '{{if .State.Running}}{{.State.StartedAt}}{{end}}' "$victim"; }
restarted() {
  local now
  now=$(started_at)
  [ -n "$now" ] && [ "$now" != "$killed_start" ]
}

step "Building $DARKROOM_IMAGE"
compose build

step "Starting, with three transcode workers"
compose up --detach --scale transcode=3
until_true 180 check healthy "$base" || fail "ingest was not ready within 180 s"
[ "$(compose ps --quiet transcode | wc -l)" -eq 3 ] || fail "transcode was not scaled to 3"
unhealthy() { compose ps --format '{{.Service}} {{.Health}}' | grep -v ' healthy$'; }
all_healthy() { ! unhealthy >/dev/null; }
until_true 60 all_healthy || fail "not healthy: $(unhealthy | tr '\n' ' ')"
compose ps

step "Sending a photo and a video"
in_image ffmpeg -v error -f lavfi -i testsrc2=size=1600x1200 -frames:v 1 -c:v mjpeg -f image2pipe - >"$work/photo.jpg"
in_image sh -c 'ffmpeg -v error -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine -t 20 -c:v libx264 \
  -preset ultrafast -pix_fmt yuv420p -c:a aac /tmp/video.mp4 && cat /tmp/video.mp4' >"$work/video.mp4"
photo=$(check upload "$base" "$work/photo.jpg")
video=$(check upload "$base" "$work/video.mp4")

step "Killing a transcode worker while it encodes"
until_true 60 encoding || fail "no transcode worker took the video up within 60 s"
killed_start=$(started_at)
# Everything in the container but its init, which then ends too: as a crash, not as a stop.
docker exec "$victim" sh -c 'kill -9 -1' || true
until_true 60 restarted || fail "the killed worker did not come back within 60 s"
echo "came back: $(docker inspect --format '{{.Name}}, restarts: {{.RestartCount}}' "$victim")"

step "Waiting until both are ready, then fetching every output"
check ready "$base" "$work" "$photo" "$video"
duration=$(in_image ffprobe -v error -show_entries format=duration -of csv=p=0 - <"$work/mp4")
case $duration in
  19.9* | 20.*) echo "the MP4 lasts $duration s" ;;
  *) fail "the MP4 lasts '$duration' s instead of 20" ;;
esac
