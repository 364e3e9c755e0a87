#!/bin/sh
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Argo CD calls this for every revision, and reads what git says of the signature of a commit or an annotated tag.
# That there is none (git ends with 1) isn't an error to it.
[ -n "$1" ] || { echo "usage: $0 REVISION" >&2; exit 2; }
what=commit
if git describe --exact-match "$1" >/dev/null 2>&1; then what=tag; fi
told=$(git "verify-$what" "$1" 2>&1)
code=$?
if [ "$code" -gt 1 ]; then
  printf '%s\n' "$told" >&2
  exit "$code"
fi
[ "$what" = commit ] || case $told in error:*) told= ;; esac
printf '%s\n' "$told"
