package dst

const Racing = racing
