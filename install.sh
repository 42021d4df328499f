#!/usr/bin/env bash
# Install linod-systemd, try it, test it, or remove it. See: ./install.sh --help
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")"

VENV=/opt/linod
PINNED=linod_systemd/requirements.txt # each package with its version and hashes, see CONTRIBUTING.md
WHEELS=$VENV/wheels # for the sites' own venvs; readable by everyone
BEFORE=/opt/linod.before # an upgrade that fails puts it back
MANUAL=/usr/local/share/man
COMMANDS=(linod linod-run linod-generate-units)
UNITS=/etc/systemd/system
NEEDRESTART=/etc/needrestart/conf.d/linod.conf
SANDBOX=full
DEMO_DROP_IN=$UNITS/linod-supervisor@default.service.d/10-demo.conf
# systemd-python is compiled against libsystemd. dbus: jobs ask systemd over it, and join their units by it.
BUILD_PACKAGES=(python3 python3-venv python3-dev gcc pkg-config libsystemd-dev dbus logrotate)
# debootstrap: for a plain Debian, where this host's own root will not do.
DEMO_PACKAGES=(python3 systemd systemd-container dbus debootstrap)
TEST_PACKAGES=("${BUILD_PACKAGES[@]}" git systemd systemd-container debootstrap shellcheck strace)

LONG_TEST_PACKAGES=(chromium chromium-driver)

usage() {
    cat <<'END'
usage: ./install.sh [--wheelhouse DIR] [--no-sandbox]
                                         install or upgrade on this host (root, systemd); DIR: without a network
       ./install.sh wheelhouse DIR       put all that an installation needs into DIR (for this Debian)
       ./install.sh uninstall [--purge]  undo it; --purge: data, logs, configuration and user, too
       ./install.sh demo [--shell]       boot a throwaway systemd, install into it, show the main job
       ./install.sh test                 set up, and run every check and the quick tests, as CI does
       ./install.sh test --long [-k …]   run the long tests (other arguments than these go to pytest, too)
       ./install.sh bench [NAME]         print figures, as ratios within one run
END
}

say() { printf '%s\n' "$*" >&2; }
die() { say "install.sh: $*"; exit 1; }

need_root() {
    [ "$(id -u)" = 0 ] || die "this needs root: run it as sudo ./install.sh $*"
}

# In a container that may not mount, each service with a sandbox of its own ends with 226/NAMESPACE.
need_mounts() {
    if systemd-run --wait --quiet --collect -p PrivateTmp=yes -p ProtectSystem=strict true 2>/dev/null; then return; fi
    [ "$1" = none ] && return
    die "services cannot have mounts of their own here (226/NAMESPACE), as in a container without nesting; nothing was" \
        "changed. Allow it (LXC, Proxmox: nesting), or run jobs without that sandbox: ./install.sh --no-sandbox"
}

need_systemd() {
    [ -d /run/systemd/system ] && return
    die "systemd is not PID 1 here, nothing was changed. To look at it: ./install.sh demo; to run a site's jobs without systemd: linod simulate"
}

# Install the Debian packages among these that are missing.
packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    command -v apt-get >/dev/null || die "these packages are missing, and there is no apt-get: ${missing[*]}"
    say "installing the Debian packages ${missing[*]}"
    # One repository that fails need not be the one that has them.
    apt-get update -qq || say "apt-get update failed; going on with the package lists at hand"
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "${missing[@]}" >/dev/null ||
        die "these packages could not be installed: ${missing[*]}. Install them, and run this again"
}

# The system bus, over which jobs ask systemd: a package that was just installed does not start it.
start_bus() {
    if [ ! -S /run/dbus/system_bus_socket ]; then
        systemctl start dbus.socket || die "the system bus does not start; see: journalctl -u dbus.socket -u dbus"
    fi
}

# Run a command whose output matters only if it fails.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        rm -f "$log"
        die "this failed: $*"
    fi
    rm -f "$log"
}

# Write a file from stdin, if it says something else than the installed one.
put() {
    local path=$1 new
    new=$(mktemp)
    cat >"$new"
    if ! cmp -s "$new" "$path"; then
        install -D -m 644 "$new" "$path"
        say "wrote $path"
    fi
    rm -f "$new"
}

# Make the venv $1; anew, where it is half made or of the python before an upgrade of Debian.
make_venv() {
    "$1/bin/python" -m pip --version >/dev/null 2>&1 || quietly /usr/bin/python3 -m venv --clear "$1"
}

# Build linod-systemd, and all that it needs, into the folder $1. Root runs what pip takes: only files whose hashes
# stand in requirements.txt, and none that pip would fetch by itself to build with (--no-build-isolation).
build_wheels() {
    local builders pip=$2
    say "building linod-systemd and what it needs"
    builders=$(mktemp)
    awk '/^[^ ]/ { wanted = /^(hatchling|packaging|pathspec|pluggy|setuptools|tomlkit|trove-classifiers)==/ } wanted' \
        $PINNED >"$builders"
    quietly "$pip" install --require-hashes --no-deps --only-binary :all: -r "$builders"
    rm -f "$builders"
    # --use-pep517: sdnotify and systemd-python have no pyproject.toml, and a venv no `wheel` of its own.
    quietly "$pip" wheel --require-hashes --no-deps --no-build-isolation --use-pep517 --wheel-dir "$1" -r $PINNED
    # The builder writes nothing into the checkout.
    quietly "$pip" wheel --no-deps --no-build-isolation --no-cache-dir --wheel-dir "$1" .
}

# Install the wheels of the folder $1. Only now, with everything at hand, the running installation is touched.
install_wheels() {
    if systemctl is-active --quiet linod.target; then
        systemctl stop linod.target
    fi
    quietly "$VENV/bin/pip" install --no-index --no-deps --force-reinstall "$1"/*.whl
    rm -rf $WHEELS
    install -d -m 755 $WHEELS
    install -m 644 "$1"/*.whl $WHEELS/
    write_command linod linod_systemd.cli.main
    write_command linod-run linod_systemd.run
    write_command linod-generate-units linod_systemd.units.generate
    quietly "$VENV/bin/python" -I -m linod_systemd.cli.manpages "$MANUAL"
}

# Write the command $1, which calls main() of the module $2. -I: neither the folder in which root types it, nor
# PYTHONPATH, says where it imports from. After an upgrade of Debian the venv has another python, and no packages.
write_command() {
    cat >"$VENV/bin/$1" <<END
#!$VENV/bin/python -I
import sys

try:
    from $2 import main
except ModuleNotFoundError as error:
    if error.name != "linod_systemd":
        raise
    sys.exit(
        f"$1: {sys.prefix} has no packages for its python {sys.version_info[0]}.{sys.version_info[1]}, which an "
        "upgrade of Debian has put there; no job begins. As root, in the folder of linod-systemd: ./install.sh "
        "(data and settings stay)"
    )
sys.exit(main())
END
    chmod 755 "$VENV/bin/$1"
    ln -sfn "$VENV/bin/$1" "/usr/local/bin/$1"
}

do_wheelhouse() {
    [ $# = 1 ] || { usage >&2; exit 2; }
    need_root wheelhouse
    packages "${BUILD_PACKAGES[@]}"
    make_venv .venv
    mkdir -p "$1"
    build_wheels "$1" .venv/bin/pip
    say "it is all in $1. On the other host: ./install.sh --wheelhouse $1"
}

configure() {
    put /etc/sysusers.d/linod.conf <units/linod.sysusers.conf
    systemd-sysusers /etc/sysusers.d/linod.conf
    if [ ! -e /etc/linod/default.toml ] && ! compgen -G '/etc/linod/*.toml' >/dev/null; then
        put /etc/linod/default.toml <<END
# The embedded demo site. Replace it by yours: docs/django.md.
user = "linod"
settings = "linod_systemd.demo.settings"
python = "$VENV/bin/python"
directory = "/var/lib/linod/default"
sandbox = "$SANDBOX"
END
    fi
    # After a library was upgraded it may restart supervisors, and no job: that would kill it, and run it again.
    put $NEEDRESTART <<'END'
$nrconf{override_rc}{qr(^linod-(?!supervisor@).*\.service$)} = 0;
END
    rm -f /etc/logrotate.d/linod # of a version whose sites were rotated by the host's logrotate
    if [ ! -e $DEMO_DROP_IN ] && grep -qs '^settings = "linod_systemd.demo.settings"' /etc/linod/default.toml; then
        put $DEMO_DROP_IN <<END
# The demo site makes its own database.
[Service]
ExecStartPre=$VENV/bin/linod --site default manage migrate --no-input --verbosity 0
END
    fi
}

# Ask until it holds; $1 seconds at most.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.2
    done
}

has_timers() {
    [ -n "$(systemctl list-units --no-legend --plain --state=active 'linod-*.timer')" ]
}

is_quiet() {
    [ -z "$(systemctl list-units --no-legend --plain --state=active,activating,deactivating 'linod[-.@]*')" ]
}

do_install() {
    local wheels=
    if [ "${*: -1}" = --no-sandbox ]; then
        SANDBOX=none
        set -- "${@:1:$#-1}"
    fi
    if [ "${1:-}" = --wheelhouse ]; then
        [ $# = 2 ] || { usage >&2; exit 2; }
        wheels=$2
        compgen -G "$wheels/linod_systemd-*.whl" >/dev/null ||
            die "$wheels has no wheel of linod-systemd. Make it on a host with a network: ./install.sh wheelhouse DIR"
    fi
    need_root
    need_systemd
    need_mounts $SANDBOX
    trap before_it_began EXIT
    if [ -n "$wheels" ]; then
        packages python3 python3-venv dbus logrotate
        start_bus
        make_venv $VENV
    else
        packages "${BUILD_PACKAGES[@]}"
        start_bus
        make_venv $VENV
        wheels=$(mktemp -d)
        build_wheels "$wheels" "$VENV/bin/pip"
    fi
    trap - EXIT
    RAN_BEFORE=$(running_supervisors)
    rm -rf $BEFORE
    if [ -x "$VENV/bin/linod-run" ]; then
        # Links, not copies: pip puts new files into the place of old ones.
        cp -al $VENV $BEFORE
    fi
    # In a shell of its own, so that whatever ends it is seen here; asked by `if` itself, it would go on (errexit).
    (put_in_place "$wheels") &
    if ! wait $!; then
        roll_back
        exit 1
    fi
    rm -rf $BEFORE
    say "linod-systemd $(linod --version | cut -d' ' -f2) is installed. See: systemctl list-timers 'linod-*'; linod status;" \
        "journalctl -u 'linod-*'"
    say "For a site of your own (docs/django.md), in its venv:" \
        "pip install --find-links $WHEELS $WHEELS/linod_systemd-*.whl"
    linod update-sites || true # it has said why
}

# It ended while it prepared, by an error or by Ctrl-C.
before_it_began() {
    say "install.sh: it stopped before it changed anything that runs. Mend the above, and run this again"
    tell_state
}

put_in_place() {
    install_wheels "$1"
    configure
    # Before a supervisor of the new version starts; the version from before can do with them, too.
    if [ -d $BEFORE ]; then linod update-sites --tables || say "the above tables are to be made by hand"; fi
    # Where it refuses a rule, it says so and has written the others.
    linod-generate-units || say "linod-generate-units reported the above; the other rules go on"
    start_all
}

start_all() {
    systemctl daemon-reload
    systemctl enable --quiet --now linod.target
    local unit others=()
    while read -r unit; do
        # Only a supervisor that ran before this, or the first one here, decides whether this version runs: a site
        # that does not load stops no upgrade.
        if [ -n "$RAN_BEFORE" ] && ! grep -qxF "$unit" <<<"$RAN_BEFORE"; then
            others+=("$unit")
        else
            wait_for 90 systemctl is-active --quiet "$unit" ||
                die "$unit does not start; see: journalctl -u $unit"
        fi
    done < <(supervisors)
    wait_for 30 has_timers || die "no timer was started; see: journalctl -u 'linod-*'"
    for unit in "${others[@]}"; do
        systemctl is-active --quiet "$unit" || say "$unit does not run, as before; see: journalctl -u $unit"
    done
}

# The supervisors that linod.target upholds: SITE.toml may switch one off.
supervisors() {
    local site
    for site in /etc/linod/*.toml; do
        site=$(basename "$site" .toml)
        grep -shxF "Upholds=linod-supervisor@$site.service" "$UNITS/linod.target.d/50-$site.conf" | cut -d= -f2
    done
}

running_supervisors() {
    systemctl list-units --no-legend --plain --state=active 'linod-supervisor@*.service' | cut -d' ' -f1
}

# The new version does not run: what was there before goes on.
roll_back() {
    if [ ! -d $BEFORE ]; then
        say "install.sh: it is not installed as it should be. Mend the above, and run this again"
        tell_state
        return
    fi
    say "install.sh: the new version does not run; the one from before is put back"
    systemctl stop 'linod[-.@]*' 2>/dev/null || true
    rm -rf $VENV
    mv $BEFORE $VENV
    linod-generate-units || true
    (start_all) &
    if wait $!; then
        say "install.sh: the version from before runs on. Mend the above, and run this again"
    else
        say "install.sh: neither does the one from before; see: journalctl -u 'linod-*'; linod doctor"
        tell_state
    fi
}

# After a failure: each part of an installation, and whether it is there.
tell_state() {
    local unit
    state "the programs in $VENV" test -x "$VENV/bin/linod-run"
    state "the commands in /usr/local/bin" test -x /usr/local/bin/linod
    state "the system bus" test -S /run/dbus/system_bus_socket
    state "a site in /etc/linod" compgen -G '/etc/linod/*.toml'
    state "linod.target, active" systemctl is-active --quiet linod.target
    while read -r unit; do
        state "$unit, active" systemctl is-active --quiet "$unit"
    done < <(supervisors)
    state "a timer of a rule, active" has_timers
    say "install.sh: to undo it: ./install.sh uninstall"
}

state() {
    local what=$1
    shift
    if "$@" >/dev/null 2>&1; then say "  there:     $what"; else say "  not there: $what"; fi
}

do_uninstall() {
    need_root uninstall
    local purge=${1:-} file
    [ -z "$purge" ] || [ "$purge" = --purge ] || { usage >&2; exit 2; }
    if [ -d /run/systemd/system ]; then
        systemctl disable --quiet --now linod.target 2>/dev/null || true
        systemctl stop 'linod[-.@]*' 2>/dev/null || true
        # A job that was stopped starts what records its end, which wants its python still.
        wait_for 60 is_quiet || systemctl stop 'linod[-.@]*' 2>/dev/null || true
    fi
    if [ -d /run/systemd/system ]; then systemctl stop 'run-linod-*.mount' 2>/dev/null || true; fi
    find $UNITS -maxdepth 2 -name 'linod*' -o -maxdepth 2 -path "$UNITS/linod.target.d/*.conf" \
        -o -maxdepth 1 -name 'run-linod-*.mount' 2>/dev/null |
        while read -r file; do
            if [ -f "$file" ] && head -n 1 "$file" | grep -q '^# Generated by linod-generate-units for '; then
                rm -f "$file"
            fi
        done
    if [ -f $DEMO_DROP_IN ] && [ "$(head -n 1 $DEMO_DROP_IN)" = '# The demo site makes its own database.' ]; then
        rm -f $DEMO_DROP_IN
    fi
    find $UNITS -maxdepth 1 -type d \( -name 'linod-*.d' -o -name 'linod.target.d' \) -empty -delete
    rm -f $UNITS/multi-user.target.wants/linod.target /var/lib/systemd/timers/stamp-linod[-.@]*
    rm -f /etc/sysusers.d/linod.conf $NEEDRESTART
    rmdir --ignore-fail-on-non-empty /etc/needrestart/conf.d /etc/needrestart 2>/dev/null || true
    rmdir --ignore-fail-on-non-empty /etc/sysusers.d 2>/dev/null || true
    for file in "${COMMANDS[@]}"; do
        if [ "$(readlink "/usr/local/bin/$file")" = "$VENV/bin/$file" ]; then rm -f "/usr/local/bin/$file"; fi
    done
    rm -rf $VENV $BEFORE
    for file in "${COMMANDS[@]}"; do rm -f "$MANUAL/man8/$file.8"; done
    rmdir --ignore-fail-on-non-empty /run/linod/* /run/linod 2>/dev/null || true
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        systemctl reset-failed 'linod*' 'run-linod-*' 2>/dev/null || true
    fi
    if [ "$purge" = --purge ]; then
        find $UNITS -maxdepth 1 -type d \( -name 'linod-*.d' -o -name 'linod.target.d' \) -exec rm -rf {} +
        rm -rf /etc/linod /var/lib/linod /var/log/linod
        for user in linod linod-journal; do
            if id $user >/dev/null 2>&1; then userdel $user; fi
        done
        say "removed linod-systemd, its data, its logs, its configuration and its users"
    else
        say "removed linod-systemd; kept /etc/linod, /var/lib/linod, /var/log/linod and the users linod and linod-journal (--purge removes them, too)"
    fi
}

do_demo() {
    need_root demo
    packages "${DEMO_PACKAGES[@]}"
    exec /usr/bin/python3 -B tests/support/demo.py "$@"
}

# Run a step of the tests, and remember how it ended.
step() {
    local name=$1 began=$SECONDS result=passed
    shift
    say "── $name"
    "$@" || { result=FAILED; FAILED=1; }
    SUMMARY+=("$(printf '%-12s %s  %d s' "$name" $result $((SECONDS - began)))")
}

set_up_tests() {
    packages "${TEST_PACKAGES[@]}"
    make_venv .venv
    say "installing what the tests need into .venv"
    # DJANGO=6.0 ./install.sh test …: with that Django, not the newest.
    quietly .venv/bin/python -m pip install --use-pep517 --editable '.[test]' ${DJANGO:+"django==$DJANGO.*"}
    say "$(.venv/bin/python --version), Django $(.venv/bin/python -m django --version)"
}

# All folders of a run lie in one, and its processes name it: what is left of them at its end is told, and ended.
begin_run() {
    TMPDIR=$(mktemp -d /tmp/linod-test.XXXX)
    export TMPDIR LINOD_TEST_RUN=$TMPDIR
    cut -d' ' -f5 /proc/self/mountinfo >"$TMPDIR/mounts"
    trap end_run EXIT
}

end_run() {
    local code=$?
    trap - EXIT
    .venv/bin/python -B tests/support/leftovers.py "$LINOD_TEST_RUN" || code=1
    exit $code
}

do_test() {
    need_root test
    set_up_tests
    if [ "${1:-}" = --long ]; then
        packages "${LONG_TEST_PACKAGES[@]}"
        command -v npm >/dev/null || packages npm
        set -- -m long "${@:2}"
    fi
    begin_run
    if [ $# -gt 0 ]; then
        .venv/bin/python -m pytest "$@"
        return
    fi
    # A root of the other Debian is made before any test has a time limit, and kept.
    quietly .venv/bin/python -B tests/support/machine.py
    FAILED=0 SUMMARY=()
    step ruff .venv/bin/python -m ruff check .
    step format .venv/bin/python -m ruff format --check .
    step mypy .venv/bin/python -m mypy
    step imports .venv/bin/lint-imports --no-logo --no-cache
    step shellcheck shellcheck install.sh .ci/run
    step unit .venv/bin/python -m pytest -q -n 2 tests/unit
    # A file's tests may share a site: they stay together.
    step integration .venv/bin/python -m pytest -q -n 2 --dist loadfile tests/integration
    step elsewhere .venv/bin/python -B tests/support/elsewhere.py
    step system .venv/bin/python -m pytest -q -n 2 tests/system
    printf '%s\n' '' "${SUMMARY[@]}"
    return $FAILED
}

do_bench() {
    need_root bench
    set_up_tests
    local name found=
    for name in tests/bench/*.py; do
        name=$(basename "$name" .py)
        case $name in __init__ | table) continue ;; esac
        if [ -z "${1:-}" ] || [ "$1" = "$name" ]; then
            found=1
            say "── $name"
            .venv/bin/python -m "tests.bench.$name"
        fi
    done
    [ -n "$found" ] || die "no bench is named $1; they lie in tests/bench"
}

case "${1:-}" in
    "" | --wheelhouse | --no-sandbox) do_install "$@" ;;
    uninstall | demo | test | bench | wheelhouse) "do_$1" "${@:2}" ;;
    -h | --help) usage ;;
    *) usage >&2; exit 2 ;;
esac
