cwlVersion: v1.0
class: CommandLineTool
hints:
  DockerRequirement: {dockerPull: "debian:12"}
  ResourceRequirement: {coresMin: 1, ramMin: 100, tmpdirMin: 100, outdirMin: 100}
baseCommand: [sh, -c, 'tr a-z A-Z < "$1"', step]
inputs:
  words: {type: File, inputBinding: {position: 1}}
stdout: upper.txt
outputs:
  made: stdout
