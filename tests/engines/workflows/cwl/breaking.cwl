cwlVersion: v1.0
class: CommandLineTool
hints:
  DockerRequirement: {dockerPull: "debian:12"}
  ResourceRequirement: {coresMin: 1, ramMin: 100, tmpdirMin: 100, outdirMin: 100}
baseCommand: [sh, -c, 'echo broken on purpose >&2; exit 3', step]
inputs:
  words: {type: File, inputBinding: {position: 1}}
stdout: broken.txt
outputs:
  made: stdout
