/** Bundled into the one style sheet; a component imports its own. */
declare module "*.css"
