# rollup
