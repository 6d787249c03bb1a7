import{d as t}from"./chunk-O5ITZKSD.js";t();function n(){return null}export{n as default};
