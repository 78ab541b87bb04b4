cwlVersion: v1.0
class: CommandLineTool
hints:
  DockerRequirement: {dockerPull: "debian:12"}
  ResourceRequirement: {coresMin: 1, ramMin: 100, tmpdirMin: 100, outdirMin: 100}
baseCommand: [sh, -c, 'cat "$1" "$2"', step]
inputs:
  first: {type: File, inputBinding: {position: 1}}
  second: {type: File, inputBinding: {position: 2}}
stdout: result.txt
outputs:
  made: stdout
