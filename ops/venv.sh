#!/bin/sh
# Makes .venv from the hashed lock file, unless what it says is installed already.
set -eu
cd "$(dirname "$0")/.."
installed=.venv/installed.lock

if cmp -s requirements.lock $installed && .venv/bin/python -c '' 2>/dev/null; then
  touch $installed
  exit
fi

# Says how to install a Debian package or its counterpart elsewhere: install DEBIAN FEDORA ARCH ALPINE HOMEBREW
install() {
  if command -v apt-get >/dev/null; then echo "sudo apt-get install $1"
  elif command -v dnf >/dev/null; then echo "sudo dnf install $2"
  elif command -v pacman >/dev/null; then echo "sudo pacman -S $3"
  elif command -v apk >/dev/null; then echo "sudo apk add $4"
  else echo "brew install $5"
  fi
}

python=
for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
  if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "Python 3.11 or newer is missing. Install it: $(install 'python3 python3-venv' python3.13 python python3 python@3.13)" >&2
  exit 1
fi
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  echo "Python's venv is missing. Install it: $(install "python$version-venv" python3 python python3 python@3.13)" >&2
  exit 1
fi

total=$(grep -c '^[^ ].*==' requirements.lock)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "python: $version, installing $total packages into .venv"
# One that works is brought up to date in place: what was fetched into it stays, and so does what runs from it.
if [ "$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$version" ]; then
  rm -f .venv/whole
else
  "$python" -m venv --clear .venv
fi

# One line that counts on a terminal, none in a log.
count() {
  if [ -t 1 ]; then
    awk -v total="$total" '
      /^(Collecting|Processing|Ignoring) / { printf "\r\033[Kpython: %d/%d", ++n, total; fflush() }
      /^Installing/ { printf "\r\033[Kpython: unpacking"; fflush() }
      END { printf "\r\033[K" }'
  else cat >/dev/null
  fi
}
pip() { .venv/bin/python -m pip --disable-pip-version-check install "$@" 2>&1; }

{
  pip --require-hashes -r requirements.lock && pip --no-deps --no-build-isolation --editable . && : >.venv/whole
} | tee "$log" | count
if [ ! -e .venv/whole ]; then
  tail -n 15 "$log" >&2
  exit 1
fi
cp requirements.lock $installed
echo "python: ready"
