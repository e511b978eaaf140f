/** The bundler inlines every `.css` import as text, so that a shadow root can adopt it. */
declare module "*.css" {
  const text: string;
  export default text;
}
