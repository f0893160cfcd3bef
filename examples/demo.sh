#!/bin/sh
# Take a model through its life, with every command echoed as you would type it. `make demo` runs this.
#
#   examples/demo.sh            make the project demo/cells and work through it
#   examples/demo.sh --remove   remove what an earlier demo made
set -eu

cd "$(dirname "$0")/.."
repository=$PWD
folder=demo
project=cells
mark=$folder/.made-by-the-demo

remove_earlier_demo() {
  if [ -f "$mark" ]; then
    rm -rf "${folder:?}/$project" "$mark"
    rmdir "$folder" 2>/dev/null || true
  elif [ -e "$folder/$project" ]; then
    echo "error: $folder/$project exists and no demo made it" >&2
    echo "hint: mv $folder/$project somewhere-else" >&2
    exit 2
  fi
}

step() {
  printf '\n$ %s\n' "$*"
  "$@" </dev/null
}

remove_earlier_demo
if [ "${1:-}" = --remove ]; then
  exit 0
fi

# What `. .venv/bin/activate` does, in every shell.
VIRTUAL_ENV=$repository/.venv
PATH=$VIRTUAL_ENV/bin:$PATH
# The demo is a repository of its own, and not part of the one that it lies in.
GIT_CEILING_DIRECTORIES=$repository
export VIRTUAL_ENV PATH GIT_CEILING_DIRECTORIES
unset MLX_ENV MLFLOW_TRACKING_URI MLFLOW_EXPERIMENT_NAME MLFLOW_EXPERIMENT_ID MLFLOW_RUN_ID

mkdir -p "$folder"
touch "$mark"
printf '$ cd %s\n' "$folder"
cd "$folder"
step mlx init "$project" --task classification
printf '\n$ cd %s\n' "$project"
cd "$project"
step mlx run
step mlx promote
step mlx drift --data data/external/new_rows.csv

cat <<END

The project is yours to play with. To go on:

  cd $folder/$project && . ../../.venv/bin/activate
  mlx runs                          every run with its metrics
  mlx models                        the registered versions and where each one is live
  mlx ui                            the same in MLflow's own interface
  \${EDITOR:-vi} params.yaml          change a parameter, then ...
  mlx run                           ... run what that change makes stale, and nothing else
END
